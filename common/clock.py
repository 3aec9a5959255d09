"""The database's time, as this process last measured it, so that all hosts write events by one clock."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

# A statement that takes longer says too little about the other clock.
LONGEST_EXCHANGE = timedelta(seconds=1)


class _DatabaseClock:
    def __init__(self) -> None:
        # How far the clock of this host is ahead of the database's. On SQLite they are one.
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """Return the database's time. No statement is sent."""
        return timezone.now() - self.offset

    def measure(self) -> timedelta:
        """Compare the clock of this host with the database's; return how far it is ahead.

        A comparison that took too long is dropped, and the one before stays.
        """
        if connection.vendor != "postgresql":
            return self.offset
        connection.ensure_connection()  # so that connecting does not count
        before = datetime.now(UTC)
        theirs = _database_time()
        exchange = datetime.now(UTC) - before
        # Negative if the clock was set meanwhile.
        if timedelta(0) <= exchange <= LONGEST_EXCHANGE:
            self.offset = before + exchange / 2 - theirs
        return self.offset


def _database_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        time: datetime = cursor.fetchone()[0]
        return time


DATABASE_CLOCK = _DatabaseClock()

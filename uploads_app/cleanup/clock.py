"""Whether the clock can be trusted: by the store's clock, and by the events of the past."""

from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max
from django.utils import timezone

from audit_app.models import AuditLog
from uploads_app import events
from uploads_app.marker import Stop
from uploads_app.storage.base import CLOCK_TOLERANCE, ObjectStore

# A worker records an event every 15 minutes, so a longer silence needs a person's explanation.
LONGEST_SILENCE = timedelta(days=1)
# Events after which the clock was right, as far as anybody knows.
_TRUSTED = [
    event.name
    for event in (events.CLEANUP_COMPLETED, events.CLOCK_ACCEPTED, events.DATABASE_ADOPTED)
]


def agreed_time(store: ObjectStore) -> datetime:
    """Return the database's time. Raises Stop if the store's clock differs too much."""
    now = _database_now()
    difference = abs(store.clock() - now)
    if difference > CLOCK_TOLERANCE:
        raise Stop(
            "clocks_differ",
            f"The clocks of store and database differ by {difference}, so no age is reliable.",
        )
    return now


def refuse_jump(now: datetime) -> None:
    """Raise Stop if nothing was recorded for more than a day, at any time since the last run.

    A clock that jumps ahead makes every file old at once. The newest event alone
    proves nothing: after a jump the sweeps and the visitors write events, too.
    """
    since = _last_trusted(now)
    while since and now - since > LONGEST_SILENCE:
        until = _latest(since, since + LONGEST_SILENCE)
        if until is None:
            raise Stop(
                "clock_jumped",
                f"The clock says {_shown(now)}, but after {_shown(since)} nothing was recorded for "
                "more than a day. Was the product off, or is the clock wrong?",
            )
        since = until


def _last_trusted(now: datetime) -> datetime | None:
    """Return the time of the last run that completed, but not one before the first event of all.

    Events of the future are left out: the clock was ahead and was corrected. One
    before the first event was written when the clock was behind.
    """
    times = AuditLog.objects.filter(occurred_at__lte=now).values_list("occurred_at", flat=True)
    trusted = times.filter(event_type__in=_TRUSTED).order_by("-occurred_at").first()
    first = times.order_by("id").first()
    return max((time for time in (trusted, first) if time), default=None)


def _latest(after: datetime, until: datetime) -> datetime | None:
    between = AuditLog.objects.filter(occurred_at__gt=after, occurred_at__lte=until)
    latest: datetime | None = between.aggregate(latest=Max("occurred_at"))["latest"]
    return latest


def _shown(time: datetime) -> str:
    return f"{timezone.localtime(time):%Y-%m-%d %H:%M %Z}"


def _database_now() -> datetime:
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now

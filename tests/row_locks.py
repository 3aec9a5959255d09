"""Shows that one change waits for another's transaction, and then acts on what that one has left.

Without the lock on the row the second change would read the row as it was before,
and write on top of the first one.
"""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

PATIENCE = 60
# The marks of a module that shows a row lock.
ON_POSTGRESQL = [
    pytest.mark.both,
    pytest.mark.usefixtures("committed"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has no row locks"),
]


_earlier: list[int] = []


def forget_earlier_connections() -> None:
    """Leave out of `other_connections` those that tests before this one have not closed yet."""
    _earlier.clear()
    _earlier.extend(other_connections("pid"))


def other_connections(column: str) -> list[Any]:
    """Return a column of `pg_stat_activity` for each other connection to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {column} FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            " AND pid <> ALL(%s)",
            [_earlier],
        )
        return [value for (value,) in cursor.fetchall()]


class SecondChange(threading.Thread):
    """A change in its own thread and connection; `outcome` is its result or its exception."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__()
        self._work = work
        self._connected, self._ended = threading.Event(), threading.Event()
        self._backend = 0
        self.outcome: Any = None

    def run(self) -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                self._backend = cursor.fetchone()[0]
            self._connected.set()
            self.outcome = self._work()
        except Exception as error:
            self.outcome = error
        finally:
            connection.close()
            self._ended.set()

    def wait_until_it_is_blocked(self) -> None:
        """Wait until a lock of this thread's transaction blocks the change, or the change has ended."""
        assert self._connected.wait(PATIENCE)
        while not self._ended.wait(0.01):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_blocking_pids(%s)", [self._backend])
                if cursor.fetchone()[0]:
                    return


class Pause:
    """A point at which the second change waits until the first has begun."""

    def __init__(self) -> None:
        self._reached, self._go = threading.Event(), threading.Event()

    def here(self) -> None:
        self._reached.set()
        assert self._go.wait(PATIENCE)

    def wait(self) -> None:
        assert self._reached.wait(PATIENCE)

    def end(self) -> None:
        self._go.set()


def change_while_open(
    first: Callable[[], Any], second: Callable[[], Any], pause: Pause | None = None
) -> Any:
    """Run `second` while the transaction of `first` is open; return what it returned or raised.

    With a `pause`, `first` begins when `second` has reached it.
    """
    other = SecondChange(second)
    if pause:
        other.start()
        pause.wait()
    with transaction.atomic():
        first()
        if pause:
            pause.end()
        else:
            other.start()
        other.wait_until_it_is_blocked()
    other.join(PATIENCE)
    return other.outcome

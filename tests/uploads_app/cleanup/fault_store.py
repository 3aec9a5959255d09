"""Faults in the middle of a call: its process dies, a step fails, or another call runs.

Faults happen at named points: before and after each step of the disk store, at
each statement that writes, and after each commit. The process of a test cannot
die, so a dead process is one that no longer reaches the store or the database.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from django.db import DatabaseError, OperationalError, connection

from uploads_app.storage.base import ListedObject, Marker, StoredBytes, StoredObject
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import PREFIX
from uploads_app.storage.spool import SpooledFile

Point = Literal["put", "remove", "move", "describe", "list", "marker", "write", "commit"]
What = Literal["dies", "fails", "meanwhile"]
STORE_POINTS: Sequence[Point] = ("put", "remove", "move", "describe", "list", "marker")
_WRITES = ("INSERT", "UPDATE", "DELETE")
_UNDOES = ("ROLLBACK", "RELEASE")


class ProcessKilled(BaseException):
    """The process was killed."""


@dataclass(frozen=True)
class Fault:
    """A fault at the n-th pass of a point, before or after the step itself."""

    point: Point
    number: int
    what: What
    after: bool = False


class FaultInjector:
    """Injects faults into calls, and counts what the store has really deleted.

    `clock_off` sets the store's clock wrong.
    """

    def __init__(self) -> None:
        self.removed: Counter[str] = Counter()
        self.clock_off = timedelta(0)
        self._fault: Fault | None = None
        self._passed = 0
        self._meanwhile: Callable[[], object] = lambda: None
        self._is_dead = False

    @contextmanager
    def injecting(
        self, fault: Fault | None, meanwhile: Callable[[], object] = lambda: None
    ) -> Iterator[None]:
        """Inject a fault into the calls inside the block, but not into `meanwhile`."""
        before = self._fault, self._passed, self._meanwhile
        self._fault, self._passed, self._meanwhile = fault, 0, meanwhile
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            self._fault, self._passed, self._meanwhile = before
            self._is_dead = False
            connection.needs_rollback = (
                False  # a failure outside a transaction affects nothing else
            )

    @contextmanager
    def around(self, point: Point) -> Iterator[None]:
        """Pass the points before and after a step of the store."""
        self.at(point, after=False)
        yield
        self.at(point, after=True)

    def at(self, point: Point, *, after: bool) -> None:
        """Pass a point. Raises ProcessKilled or an error, or calls `meanwhile`, if the fault is here."""
        if self._is_dead:
            raise ProcessKilled
        fault = self._fault
        if fault is None or (fault.point, fault.after) != (point, after):
            return
        self._passed += 1
        if self._passed < fault.number:
            return
        self._fault = None
        if fault.what == "dies":
            self._is_dead = True
            raise ProcessKilled
        if fault.what == "fails":
            raise (OSError(5, "Input/output error") if point in STORE_POINTS else _lost())
        self._meanwhile()

    def _execute(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        if self._is_dead and not sql.startswith(_UNDOES):
            raise ProcessKilled
        if sql.startswith(_WRITES):
            self.at("write", after=False)
        answer = execute(sql, params, many, context)
        if sql.startswith("RELEASE") and not self._is_dead:
            self.at("commit", after=True)
        return answer


def _lost() -> DatabaseError:
    return OperationalError("the connection was lost")


class FaultInjectingStore(DiskStore):
    """A disk store whose steps are points for faults."""

    def __init__(self, location: Path, faults: FaultInjector) -> None:
        super().__init__(location=location)
        self.faults = faults

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        with self.faults.around("put"):
            return super().put(key, chunks, spooled)

    def _move(self, key: str, target: str) -> None:
        with self.faults.around("move"):
            super()._move(key, target)

    def describe(self, key: str) -> StoredObject | None:
        with self.faults.around("describe"):
            return super().describe(key)

    def list_keys(self, prefix: str = PREFIX, after: str = "") -> Iterator[ListedObject]:
        for listed in super().list_keys(prefix, after):
            with self.faults.around("list"):
                yield listed

    def write_marker(self, marker: Marker) -> None:
        with self.faults.around("marker"):
            super().write_marker(marker)

    def clock(self) -> datetime:
        return super().clock() + self.faults.clock_off

    def _remove(self, key: str) -> str:
        with self.faults.around("remove"):
            was_there = Path(self.path(key)).exists()
            folder = super()._remove(key)
            self.faults.removed[key] += was_there
        return folder

"""What can befall a call in the middle: its process dies, a step fails, or somebody else acts.

Everything happens at named points: before and after each step of the disk
store, at each statement that writes, after each commit. The process of a test
cannot die, so a dead one is one that reaches neither store nor database again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from django.db import DatabaseError, OperationalError, connection

from uploads_app.storage.base import Marker, StoredBytes, StoredObject
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import PREFIX

Point = Literal["put", "remove", "move", "describe", "list", "marker", "write", "commit"]
What = Literal["dies", "fails", "meanwhile"]
STORE_POINTS: Sequence[Point] = ("put", "remove", "move", "describe", "list", "marker")
_WRITES = ("INSERT", "UPDATE", "DELETE")
_UNDOES = ("ROLLBACK", "RELEASE")


class ProcessKilled(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Fault:
    """What happens when a point is passed for the n-th time, before or after the step itself."""

    point: Point
    number: int
    what: What
    after: bool = False


class FaultInjector:
    """Lets hazards happen to calls, and counts what the store has really removed.

    `clock_off` sets the store's clock wrong.
    """

    def __init__(self) -> None:
        self.removed: Counter[str] = Counter()
        self.clock_off = timedelta(0)
        self._hazard: Fault | None = None
        self._passed = 0
        self._meanwhile: Callable[[], object] = lambda: None
        self._is_dead = False

    @contextmanager
    def befalling(
        self, hazard: Fault | None, meanwhile: Callable[[], object] = lambda: None
    ) -> Iterator[None]:
        """Let a hazard happen to what is called inside; others' calls in its middle have none."""
        before = self._hazard, self._passed, self._meanwhile
        self._hazard, self._passed, self._meanwhile = hazard, 0, meanwhile
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            self._hazard, self._passed, self._meanwhile = before
            self._is_dead = False
            connection.needs_rollback = False  # what failed outside a transaction, failed alone

    @contextmanager
    def around(self, point: Point) -> Iterator[None]:
        """Surround a step of the store."""
        self.at(point, after=False)
        yield
        self.at(point, after=True)

    def at(self, point: Point, *, after: bool) -> None:
        """Pass a point; raise Died or an error, or let somebody else act, if that is its fate."""
        if self._is_dead:
            raise ProcessKilled
        hazard = self._hazard
        if hazard is None or (hazard.point, hazard.after) != (point, after):
            return
        self._passed += 1
        if self._passed < hazard.number:
            return
        self._hazard = None
        if hazard.what == "dies":
            self._is_dead = True
            raise ProcessKilled
        if hazard.what == "fails":
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
    """A disk store whose steps are points of a fate."""

    def __init__(self, location: Path, fate: FaultInjector) -> None:
        super().__init__(location=location)
        self.fate = fate

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBytes:
        with self.fate.around("put"):
            return super().put(key, chunks)

    def move(self, key: str, target: str) -> None:
        with self.fate.around("move"):
            super().move(key, target)

    def describe(self, key: str) -> StoredObject | None:
        with self.fate.around("describe"):
            return super().describe(key)

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        for stored in super().list_objects(prefix, after):
            with self.fate.around("list"):
                yield stored

    def write_marker(self, marker: Marker) -> None:
        with self.fate.around("marker"):
            super().write_marker(marker)

    def clock(self) -> datetime:
        return super().clock() + self.fate.clock_off

    def _remove(self, key: str) -> None:
        with self.fate.around("remove"):
            was_there = Path(self.path(key)).exists()
            super()._remove(key)
            self.fate.removed[key] += was_there

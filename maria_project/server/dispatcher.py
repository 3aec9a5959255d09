"""The worker threads of the web server, and which request they take next."""

from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from enum import IntEnum, auto
from itertools import count
from typing import Any

from django.conf import settings
from waitress.task import ThreadedTaskDispatcher

from maria_project.server.processor import PROCESSOR

# A store that hangs leaves so many threads to requests that do not need it.
THREADS_WITHOUT_STORE = 2
# SQLite has one writer. A second thread would wait for it, or for the interpreter, and would have
# to read again what the first one has changed.
SQLITE_WRITERS = 1
_HEALTH = "/health/"
_FILES = "/uploads/"
_SESSIONS = "/api/v1/sessions/"
_STAFF = "/admin/"


class Lane(IntEnum):
    """Kinds of requests. Each may keep only some of the threads, so that none stops the others.

    Numbers are hashed without a call of Python: each request looks lanes up many times.
    """

    # A thread is reserved for it.
    HEALTH = auto()
    # Requests that may wait for the store.
    STORE = auto()
    # An export can take minutes.
    STAFF = auto()
    # New sessions. Of the requests that write they come most often.
    CREATE = auto()
    # Other short requests.
    OTHER = auto()
    # Browsers and proxies do not pipeline. Many connections that do would delay all others.
    PIPELINED = auto()


def lane_of(channel: Any) -> Lane:
    request = channel.requests[0]
    if request.error:  # it has no path
        return Lane.OTHER
    path: str = request.path
    if path.startswith(_HEALTH):
        return Lane.HEALTH
    if channel.pipelines:
        return Lane.PIPELINED
    if path.startswith(_STAFF):
        return Lane.STAFF
    if path == _SESSIONS and request.command == "POST":
        return Lane.CREATE
    # Only a list of files does without the store. Erasing a session deletes its files.
    needs_store = (_FILES in path and not (request.command == "GET" and path.endswith(_FILES))) or (
        request.command == "DELETE" and path.startswith(_SESSIONS)
    )
    return Lane.STORE if needs_store else Lane.OTHER


def _is_sqlite() -> bool:
    return "sqlite" in settings.DATABASES["default"]["ENGINE"]


class FairQueue:
    """Connections with a request to answer, in order, as far as their lanes have threads.

    One thread more than `threads` runs, for the health checks.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._most = {
            Lane.HEALTH: 1,
            Lane.STORE: max(1, threads - THREADS_WITHOUT_STORE),
            Lane.STAFF: max(1, threads // 2),
            Lane.CREATE: min(threads, SQLITE_WRITERS) if _is_sqlite() else threads,
            Lane.OTHER: threads,
            Lane.PIPELINED: 1,
        }
        self._number = count()
        self._waiting: dict[Lane, deque[tuple[int, Any]]] = {lane: deque() for lane in Lane}
        self._running = dict.fromkeys(Lane, 0)
        # How many run, without those of HEALTH.
        self._busy = 0

    @property
    def waiting(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __len__(self) -> int:
        """Return how many requests could begin now."""
        lanes = list(self._open())
        ready = {lane: min(len(self._waiting[lane]), self._room(lane)) for lane in lanes}
        health = ready.pop(Lane.HEALTH, 0)
        return health + min(sum(ready.values()), self._threads - self._busy)

    def __bool__(self) -> bool:
        """Return whether one could begin now. Idle threads need no number."""
        return next(self._open(), None) is not None

    def append(self, channel: Any) -> None:
        self._waiting[lane_of(channel)].append((next(self._number), channel))

    def popleft(self) -> "Turn":
        """Begin the next request. Those that pipeline come last."""
        lanes = list(self._open())
        first = [lane for lane in lanes if lane is not Lane.PIPELINED] or lanes
        lane = min(first, key=lambda lane: self._waiting[lane][0][0])
        self._count(lane, 1)
        return Turn(lane, self._waiting[lane].popleft()[1])

    def end(self, lane: Lane) -> None:
        self._count(lane, -1)

    def _open(self) -> Iterator[Lane]:
        for lane, waiting in self._waiting.items():
            is_full = lane is not Lane.HEALTH and self._busy >= self._threads
            if waiting and self._room(lane) > 0 and not is_full:
                yield lane

    def _room(self, lane: Lane) -> int:
        return self._most[lane] - self._running[lane]

    def _count(self, lane: Lane, change: int) -> None:
        self._running[lane] += change
        if lane is not Lane.HEALTH:
            self._busy += change


class Turn:
    """A request that a thread answers."""

    def __init__(self, lane: Lane, channel: Any) -> None:
        self._lane, self._channel = lane, channel

    def service(self) -> None:
        try:
            # What takes long in an upload needs no interpreter: to hash, to write and to sync.
            with PROCESSOR.left() if self._is_upload() else nullcontext():
                self._channel.service()
        finally:
            self._channel.server.task_dispatcher.ended(self._lane)

    def cancel(self) -> None:
        self._channel.cancel()

    def _is_upload(self) -> bool:
        return self._lane is Lane.STORE and self._channel.requests[0].command == "POST"


class FairDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Answers requests in a number of threads, and health checks in one more."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.queue = FairQueue(threads)
        self.set_thread_count(threads + 1)

    def ended(self, lane: Lane) -> None:
        """Let the next request of that lane begin: the calling thread takes it."""
        with self.lock:
            self.queue.end(lane)

"""Keeps the threads of a web process on one processor.

One thread at a time has the interpreter. Each read and each write hands it to another
thread; if that one has to be woken on another processor, this takes longer than the work.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# After so long the system may choose another processor, if others need this one.
STAY_SECONDS = 5
# It has so long to choose.
CHOOSE_SECONDS = 0.05

_THREADS = Path("/proc/self/task")
# The field `processor` of proc(5), counted from the one behind the name.
_PROCESSOR_FIELD = 36


class OneProcessor:
    """The processor of this process. Without Linux, or with one processor only, it does nothing."""

    def __init__(self) -> None:
        self._allowed = self._home = _allowed()
        self._is_free = True
        self._until = time.monotonic()

    def review(self) -> None:
        """Stay, or choose anew. The main thread calls it at each turn of its loop."""
        now = time.monotonic()
        if len(self._allowed) < 2 or now < self._until:
            return
        self._is_free = not self._is_free
        self._home = self._allowed if self._is_free else {_processor()}
        _move_threads(self._home)
        self._until = now + (CHOOSE_SECONDS if self._is_free else STAY_SECONDS)

    @contextmanager
    def left(self) -> Iterator[None]:
        """Let the calling thread use all processors, for work that is mostly done without the interpreter."""
        if self._home == self._allowed:
            yield
            return
        with suppress(OSError):
            os.sched_setaffinity(0, self._allowed)
        try:
            yield
        finally:
            with suppress(OSError):
                os.sched_setaffinity(0, self._home)


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _move_threads(processors: set[int]) -> None:
    for thread in _threads():
        # It has ended, or the processors that the process may use have changed.
        with suppress(OSError):
            os.sched_setaffinity(thread, processors)


def _threads() -> Iterator[int]:
    return (int(thread.name) for thread in _THREADS.iterdir())


def _processor() -> int:
    """Return the processor on which the calling thread runs."""
    stat = Path("/proc/thread-self/stat").read_text()
    return int(stat.rpartition(")")[2].split()[_PROCESSOR_FIELD])


PROCESSOR = OneProcessor()

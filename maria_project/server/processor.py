"""Keeps the threads of a web process on one processor.

One thread at a time has the interpreter. Each read and each write hands it to another
thread; if that one has to be woken on another processor, this takes longer than the work.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_native_id
from typing import IO

# After so long the system may choose another processor, if others need this one.
STAY_SECONDS = 5
# It has so long to choose.
CHOOSE_SECONDS = 0.05

_THREADS = Path("/proc/self/task")
# The field `processor` of proc(5), counted from the one behind the name.
_PROCESSOR_FIELD = 36


class Claims:
    """The processors on which the web processes of a host stay, as locks on the bytes of a file.

    They end with their process.
    """

    def __init__(self, file: Path) -> None:
        self._file: IO[bytes] = file.open("wb")
        self._own: int | None = None

    def others(self, processors: set[int]) -> set[int]:
        """Give up the own claim; return the processors that others have claimed."""
        if self._own is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, self._own)
            self._own = None
        return {number for number in processors if not self._is_free(number)}

    def claim(self, processor: int, among: set[int]) -> int:
        """Claim a processor, or another one that is free, and return it; without a claim if none is."""
        for number in (processor, *sorted(among - {processor})):
            if self._lock(number):
                self._own = number
                return number
        return processor

    def _is_free(self, number: int) -> bool:
        if not self._lock(number):
            return False
        fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
        return True

    def _lock(self, number: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return False
        return True


class OneProcessor:
    """The processor of this process. Without Linux, or with one processor only, it does nothing.

    With `claims`, several processes stay on different processors, as far as there are enough.
    """

    def __init__(self) -> None:
        self._allowed = self._home = _allowed()
        self._is_free = True
        self._until = time.monotonic()
        self.claims: Claims | None = None
        self._away: set[int] = set()  # the threads in `left`

    def review(self) -> None:
        """Stay, or choose anew. The main thread calls it at each turn of its loop."""
        now = time.monotonic()
        if len(self._allowed) < 2 or now < self._until:
            return
        self._is_free = not self._is_free
        self._home = self._choices() if self._is_free else {self._choice()}
        _move_threads(self._home, but=self._away)
        self._until = now + (CHOOSE_SECONDS if self._is_free else STAY_SECONDS)

    def _choices(self) -> set[int]:
        taken = self.claims.others(self._allowed) if self.claims else set()
        return self._allowed - taken or self._allowed

    def _choice(self) -> int:
        return self.claims.claim(_processor(), self._allowed) if self.claims else _processor()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Let the calling thread use all processors, for work that is mostly done without the interpreter."""
        thread = get_native_id()
        self._away.add(thread)
        try:
            self._may_use(self._allowed)
            yield
        finally:
            self._away.discard(thread)
            self._may_use(self._home)

    def _may_use(self, processors: set[int]) -> None:
        if len(self._allowed) > 1:
            with suppress(OSError):
                os.sched_setaffinity(0, processors)


def _allowed() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _move_threads(processors: set[int], but: set[int]) -> None:
    for thread in _threads():
        if thread in but:
            continue
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

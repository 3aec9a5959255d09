"""A circuit breaker: what one caller has found out about a dead neighbour, nobody else waits for."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class CircuitBreaker:
    """Remembers, for all threads of the process, that a neighbour does not answer.

    `failed` opens it. While it is open, callers are turned away, but for one
    at a time, and none within `seconds` of the last failure, who finds out
    whether the neighbour is back. Each change of state is one line in the log.
    """

    def __init__(self, neighbour: str, seconds: float) -> None:
        self.neighbour = neighbour
        self.seconds = seconds
        self._failed_at = 0.0
        self._is_open = False
        self._changing = threading.Lock()
        self._checking = threading.Lock()

    def lets_through(self, is_back: Callable[[], bool]) -> bool:
        """Say whether to ask the neighbour.

        `is_back` is called when it is time to find out; it reports a failure
        by `failed` itself.
        """
        if not self._is_open:
            return True
        if time.monotonic() < self._failed_at + self.seconds:
            return False
        if not self._checking.acquire(blocking=False):
            return False
        try:
            return self._check(is_back)
        finally:
            self._checking.release()

    def failed(self, error: BaseException) -> None:
        """Turn callers away for a while."""
        self._failed_at = time.monotonic()
        if self._change(is_open=True):
            logger.warning("%s does not answer: %s", self.neighbour, error)

    def _check(self, is_back: Callable[[], bool]) -> bool:
        if not is_back():
            return False
        if self._change(is_open=False):
            logger.warning("%s answers again", self.neighbour)
        return True

    def _change(self, *, is_open: bool) -> bool:
        with self._changing:
            before, self._is_open = self._is_open, is_open
            return before != is_open

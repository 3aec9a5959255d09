"""Circuit breaker: after one failure, other callers fail fast instead of waiting for a dead service."""

import logging
import threading
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class CircuitBreaker:
    """The state of a service, for all threads of the process.

    `failed` opens the breaker. While it is open, callers fail fast. After `seconds`,
    one caller at a time checks whether the service answers again. Each change of
    state is logged.
    """

    def __init__(self, service: str, seconds: float) -> None:
        self.service = service
        self.seconds = seconds
        self._failed_at = 0.0
        self._is_open = False
        self._changing = threading.Lock()
        self._checking = threading.Lock()

    def lets_through(self, is_back: Callable[[], bool]) -> bool:
        """Return whether to call the service.

        `is_back` is called when a check is due, and calls `failed` if it fails.
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
        """Open the breaker, or keep it open."""
        self._failed_at = time.monotonic()
        if self._change(is_open=True):
            logger.warning("%s does not answer: %s", self.service, error)

    def works(self) -> None:
        """Close the breaker, or keep it closed."""
        if self._change(is_open=False):
            logger.warning("%s answers again", self.service)

    def _check(self, is_back: Callable[[], bool]) -> bool:
        if not is_back():
            return False
        self.works()
        return True

    def _change(self, *, is_open: bool) -> bool:
        with self._changing:
            before, self._is_open = self._is_open, is_open
            return before != is_open

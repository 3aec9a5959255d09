"""The worker threads of the web server, and which request they take next."""

from collections import deque
from typing import Any

from waitress.task import ThreadedTaskDispatcher


class FairQueue:
    """Connections with a request to answer; those that pipeline come last, one at a time.

    Browsers and proxies do not pipeline. Many connections that do would delay all others.
    """

    def __init__(self) -> None:
        self.is_answering_pipelined = False
        self._first: deque[Any] = deque()
        self._pipelined: deque[Any] = deque()

    def __len__(self) -> int:
        waiting = 0 if self.is_answering_pipelined else len(self._pipelined)
        return len(self._first) + waiting

    def append(self, channel: Any) -> None:
        (self._pipelined if channel.pipelines else self._first).append(channel)

    def popleft(self) -> Any:
        if self._first:
            return self._first.popleft()
        self.is_answering_pipelined = True
        return self._pipelined.popleft()


class FairDispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]  # waitress has no types
    """Runs requests in a number of threads."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.queue = FairQueue()
        self.set_thread_count(threads)

    def answered_pipelined(self) -> None:
        """Let the next connection that pipelines have its turn."""
        with self.lock:
            self.queue.is_answering_pipelined = False
            self.queue_cv.notify()

"""Keeps the web server and the worker of `./run` alive, and stops them cleanly.

django-q2 wants only its parent process signalled (a signal to the group hangs
it), and when all its workers are killed it stays up without doing anything: so
each child has a session of its own, and one that has stalled is replaced.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_SECONDS = 10
POLL_SECONDS = 1.0
STEADY_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 30.0
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 5


def _never(running_seconds: float) -> bool:
    return False


@dataclass
class ChildProcess:
    """A process that should always run: how to start it, where it logs, how to tell it has stalled.

    `is_stalled` is asked with the seconds since the process was started.
    """

    name: str
    command: Sequence[str]
    log_file: Path
    env: Mapping[str, str] = field(default_factory=dict)
    is_stalled: Callable[[float], bool] = _never
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _started: float = field(default=0.0, init=False)
    _start_at: float = field(default=0.0, init=False)
    backoff: float = field(default=1.0, init=False)

    @property
    def pid(self) -> int:
        """The process id, 0 while there is no process."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process in a session of its own, out of reach of the terminal's signals."""
        _rotate(self.log_file)
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  (our own command line)
            self.command,
            env={**os.environ, **self.env, "LOG_FILE": str(self.log_file)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        """End the process: politely to its parent, and after a grace its whole session."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def watch(self) -> str | None:
        """Start the process again if it has died or stalled; return what there is to tell."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return None
        if (code := self._process.poll()) is not None:
            self._process = None
            self._start_at = now + self._next_backoff(now)
            return f"The {self.name} ended with code {code}; starting it again."
        if self.is_stalled(now - self._started):
            self.stop()
            return f"The {self.name} has stalled; starting it again."
        _rotate(self.log_file)
        return None

    def _next_backoff(self, now: float) -> float:
        """Wait longer each time it dies soon after its start."""
        steady = now - self._started > STEADY_SECONDS
        self.backoff = 1.0 if steady else min(2 * self.backoff, MAX_BACKOFF_SECONDS)
        return self.backoff


def supervise(
    children: Sequence[ChildProcess], stop: threading.Event, report: Callable[[str], None]
) -> None:
    """Run the children until `stop` is set, then end them, the last one first."""
    try:
        for child in children:
            child.start()
        while not stop.wait(POLL_SECONDS):
            for child in children:
                if message := child.watch():
                    report(message)
    finally:
        for child in reversed(children):
            child.stop()


def _rotate(log_file: Path) -> None:
    """Put a full log aside; the processes that write to it notice and open a new one."""
    if not log_file.exists() or log_file.stat().st_size < LOG_BYTES:
        return
    for number in range(LOG_FILES - 1, 0, -1):
        older = log_file.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(log_file.with_suffix(f".log.{number + 1}"))
    log_file.replace(log_file.with_suffix(".log.1"))

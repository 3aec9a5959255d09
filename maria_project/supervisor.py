"""Restarts the web server and the worker of `./run` if they end, and stops them cleanly.

A signal to the process group of django-q2 makes it hang, so only its parent
process gets one, and each child has its own session. If all its workers are
killed, django-q2 keeps running without doing anything, so a stalled child is
restarted.
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
    """A process that should always run.

    `is_stalled` gets the seconds since the start of the process.
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
        """The process id; 0 while the process does not run."""
        return self._process.pid if self._process else 0

    def start(self) -> None:
        """Start the process in its own session, so that it gets no signals of the terminal."""
        _rotate(self.log_file)
        self._started = time.monotonic()
        self._process = subprocess.Popen(  # noqa: S603  (our own command line)
            self.command,
            env={**os.environ, **self.env, "LOG_FILE": str(self.log_file)},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def stop(self) -> None:
        """Send SIGTERM to the process, and SIGKILL to its session after GRACE_SECONDS."""
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
        """Restart the process if it has ended or stalled; return a message if so."""
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return None
        if (code := self._process.poll()) is not None:
            self._process = None
            self._start_at = now + self._next_backoff(now)
            return f"The {self.name} ended with code {code}. Restarting it."
        if self.is_stalled(now - self._started):
            self.stop()
            return f"The {self.name} has stalled. Restarting it."
        _rotate(self.log_file)
        return None

    def _next_backoff(self, now: float) -> float:
        """Double the pause each time the process ends soon after its start."""
        steady = now - self._started > STEADY_SECONDS
        self.backoff = 1.0 if steady else min(2 * self.backoff, MAX_BACKOFF_SECONDS)
        return self.backoff


def supervise(
    children: Sequence[ChildProcess], stop: threading.Event, report: Callable[[str], None]
) -> None:
    """Run the children until `stop` is set, then stop them in reverse order."""
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
    """Rotate a full log. The writing processes reopen it."""
    if not log_file.exists() or log_file.stat().st_size < LOG_BYTES:
        return
    for number in range(LOG_FILES - 1, 0, -1):
        older = log_file.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(log_file.with_suffix(f".log.{number + 1}"))
    log_file.replace(log_file.with_suffix(".log.1"))

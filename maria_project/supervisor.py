"""Keeps the processes of the product running, replaces them, and stops them cleanly.

A signal to the process group of django-q2 makes it hang, so only its parent
process gets one, and each process has its own session. If all its workers are
killed, django-q2 keeps running without doing anything, so a stalled process is
replaced.
"""

import math
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

GRACE_SECONDS = 10
READY_SECONDS = 60
POLL_SECONDS = 1.0
STEADY_SECONDS = 30.0
MAX_BACKOFF_SECONDS = 30.0
LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 5


class RunningProcess:
    """A process in its own session, so that it gets no signals of the terminal."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        grace_seconds: float = GRACE_SECONDS,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.started = time.monotonic()
        self._grace_seconds = grace_seconds
        self._kill_at = math.inf
        self._process = subprocess.Popen(  # noqa: S603  (our own command line)
            command,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=pass_fds,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """The exit code, once it has ended."""
        return self._process.returncode

    def is_ready(self) -> bool:
        """Return whether it does its work, so that the process before it may leave."""
        return True

    def leave(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal. `has_ended` sends SIGKILL to the session after the grace period."""
        self._kill_at = min(self._kill_at, time.monotonic() + self._grace_seconds)
        self._process.send_signal(by)

    def leave_to_successor(self) -> None:
        """End at once, because another process already does the work."""
        self.leave()

    def has_ended(self) -> bool:
        if self._process.poll() is None and time.monotonic() > self._kill_at:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
        return self._process.poll() is not None


@dataclass
class ChildProcess:
    """A process that should always run. `launch` starts it; it gets whether one is to be replaced.

    `is_stalled` gets the seconds since the start of the process.
    """

    name: str
    launch: Callable[[bool], RunningProcess]
    log_file: Path | None = None
    is_stalled: Callable[[float], bool] = lambda _: False
    backoff: float = field(default=1.0, init=False)
    _process: RunningProcess | None = field(default=None, init=False)
    _successor: RunningProcess | None = field(default=None, init=False)
    _leaving: RunningProcess | None = field(default=None, init=False)
    _start_at: float = field(default=0.0, init=False)

    @property
    def pid(self) -> int:
        """The process id; 0 while the process does not run."""
        return self._process.pid if self._process else 0

    @property
    def is_changing(self) -> bool:
        """Whether a successor starts, or the process before it has not ended yet."""
        return bool(self._successor or self._leaving)

    def start(self) -> None:
        self._rotate_log()
        self._process = self.launch(False)

    def replace(self) -> None:
        """Start a successor. When it is ready, the process leaves."""
        self._successor = self.launch(True)

    def leave(self) -> None:
        """Ask every process to end."""
        for process in self._processes():
            process.leave()

    def has_ended(self) -> bool:
        return all(process.has_ended() for process in self._processes())

    def watch(self) -> str | None:
        """Start, restart or replace the process if that is due; return a message about it."""
        self._rotate_log()
        if self._leaving and self._leaving.has_ended():
            self._leaving = None
        return self._watch_successor(self._successor) if self._successor else self._watch_process()

    def _watch_process(self) -> str | None:
        now = time.monotonic()
        if self._process is None:
            if now >= self._start_at:
                self.start()
            return None
        if self._process.has_ended():
            code, self._start_at = self._process.code, now + self._next_backoff(now)
            self._process = None
            return f"The {self.name} ended with code {code}. Restarting it."
        if not self.is_changing and self.is_stalled(now - self._process.started):
            self.replace()
            return f"The {self.name} has stalled. Restarting it."
        return None

    def _watch_successor(self, successor: RunningProcess) -> str | None:
        if successor.has_ended():
            self._successor = None
            return f"The new {self.name} ended with code {successor.code}. The old one stays."
        if not successor.is_ready():
            if time.monotonic() > successor.started + READY_SECONDS:
                successor.leave()
            return None
        if self._process:
            self._process.leave_to_successor()
        self._leaving, self._process, self._successor = self._process, successor, None
        return f"The {self.name} is replaced."

    def _next_backoff(self, now: float) -> float:
        """Double the pause each time the process ends soon after its start."""
        steady = self._process is not None and now - self._process.started > STEADY_SECONDS
        self.backoff = 1.0 if steady else min(2 * self.backoff, MAX_BACKOFF_SECONDS)
        return self.backoff

    def _processes(self) -> list[RunningProcess]:
        return [p for p in (self._process, self._successor, self._leaving) if p]

    def _rotate_log(self) -> None:
        if self.log_file:
            _rotate(self.log_file)


def supervise(
    children: Sequence[ChildProcess],
    stop: threading.Event,
    replace: threading.Event,
    report: Callable[[str], None],
) -> None:
    """Run the children until `stop` is set. When `replace` is set, replace one after the other."""
    old: deque[ChildProcess] = deque()
    for child in children:
        child.start()
    while not stop.wait(POLL_SECONDS):
        if replace.is_set():
            replace.clear()
            old = deque(children)
        if old and not any(child.is_changing for child in children):
            old.popleft().replace()
        for child in children:
            if message := child.watch():
                report(message)


def end(children: Sequence[ChildProcess]) -> None:
    """Ask all children to end, and wait for them. None outlives its grace period."""
    for child in children:
        child.leave()
    while not all(child.has_ended() for child in children):
        time.sleep(0.05)


def has_terminal() -> bool:
    """Return whether this process gets the signals of a terminal."""
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _rotate(log_file: Path) -> None:
    """Rotate a full log. The writing processes reopen it."""
    if not log_file.exists() or log_file.stat().st_size < LOG_BYTES:
        return
    for number in range(LOG_FILES - 1, 0, -1):
        older = log_file.with_suffix(f".log.{number}")
        if older.exists():
            older.replace(log_file.with_suffix(f".log.{number + 1}"))
    log_file.replace(log_file.with_suffix(".log.1"))

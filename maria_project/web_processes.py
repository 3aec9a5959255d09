"""The web processes of the supervisor. All accept connections on the sockets that it has opened."""

import shutil
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from maria_project.supervisor import ChildProcess, RunningProcess

# More than a web process needs to leave (server/loop.py).
GRACE_SECONDS = 35 + settings.DRAIN_TIME.total_seconds()
_READY = b"1"
_COMMAND = (sys.executable, "-m", "maria_project.web")


class WebProcess(RunningProcess):
    """A web process and a connection to it, which says when it is ready and ends with us."""

    def __init__(
        self, options: Sequence[str], sockets: Sequence[socket.socket], env: Mapping[str, str]
    ) -> None:
        self._connection, other = socket.socketpair()
        self._connection.setblocking(False)
        self._has_begun = False
        numbers = [sock.fileno() for sock in sockets]
        to_us = ["--sockets", *map(str, numbers), "--supervisor", str(other.fileno())]
        with other:
            super().__init__(
                [*_COMMAND, *to_us, *options], env, GRACE_SECONDS, [*numbers, other.fileno()]
            )

    def is_ready(self) -> bool:
        """Return whether it accepts connections."""
        with suppress(OSError):
            self._has_begun = self._has_begun or self._connection.recv(1) == _READY
        return self._has_begun

    def leave_to_successor(self) -> None:
        """Leave without DRAIN_TIME: the host still serves."""
        self.leave(by=signal.SIGINT)


def web_children(sockets: Sequence[socket.socket], log: Path | None) -> list[ChildProcess]:
    """Return `WEB_PROCESSES` children. Several count their requests in files."""
    env = {"PYTHONPATH": str(settings.BASE_DIR)} | ({"LOG_FILE": str(log)} if log else {})
    if settings.WEB_PROCESSES == 1:
        return [ChildProcess("web server", lambda new: _launch(new, [], sockets, env), log)]
    folder = _empty_folder(settings.DATA_DIR / "metrics")
    return [
        ChildProcess(
            f"web server {number}", _CountingLauncher(folder / str(number), sockets, env), log
        )
        for number in range(1, settings.WEB_PROCESSES + 1)
    ]


def _launch(
    is_successor: bool,
    options: list[str],
    sockets: Sequence[socket.socket],
    env: Mapping[str, str],
) -> WebProcess:
    return WebProcess([*options, *(["--successor"] if is_successor else [])], sockets, env)


def _empty_folder(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class _CountingLauncher:
    """Starts processes that count in the same few files, so that totals outlive a process.

    Two of them run at the same time while one replaces the other. They need different files.
    """

    def __init__(
        self, counts: Path, sockets: Sequence[socket.socket], env: Mapping[str, str]
    ) -> None:
        self._counts = counts
        self._sockets = sockets
        self._env = env
        self._users: dict[str, WebProcess] = {}

    def __call__(self, is_successor: bool) -> WebProcess:
        name = next(name for name in self._names() if self._is_free(name))
        process = _launch(is_successor, ["--counts", name], self._sockets, self._env)
        self._users[name] = process
        return process

    def _names(self) -> list[str]:
        return [f"{self._counts}{letter}" for letter in "abc"]

    def _is_free(self, name: str) -> bool:
        return name not in self._users or self._users[name].has_ended()

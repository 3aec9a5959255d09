"""Runs waitress on open sockets until the process is asked to leave.

waitress drops requests and unsent bytes when it ends. Its loop, its map of connections
and `create_server` are documented, so the loop is run here, one turn at a time.
"""

import math
import socket
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server

from maria_project.server.channel import FairChannel, connections
from maria_project.server.dispatcher import FairDispatcher

# A process that leaves has so long to send the answers to what has begun.
LEAVE_SECONDS = 28
# Then its threads have so long to end.
END_SECONDS = 1


class WebServer:
    """waitress on some sockets, which other processes may use too."""

    def __init__(
        self, application: Any, sockets: list[socket.socket], threads: int, **options: Any
    ) -> None:
        BaseWSGIServer.channel_class = FairChannel
        self._leaves_at = math.inf
        self._map: dict[int, Any] = {}
        self._dispatcher = FairDispatcher(threads)
        create_server(
            application, self._map, sockets=sockets, _dispatcher=self._dispatcher, **options
        )
        self._listeners = [server for server in self._map.values() if server.accepting]

    def follow(self, supervisor: socket.socket) -> None:
        """Report to the supervisor that requests are accepted, and leave when it has ended."""
        _Supervisor(supervisor, self._map, self)
        supervisor.send(b"1")

    def leave(self, after_seconds: float = 0) -> None:
        """Let `run` end after some time, and once what has begun is answered."""
        self._leaves_at = min(self._leaves_at, time.monotonic() + after_seconds)
        self._listeners[0].pull_trigger()

    def run(self, each_turn: Callable[[], None] = lambda: None) -> None:
        """Serve until `leave`. `each_turn` is called at least once a second."""
        while (remaining := self._leaves_at - time.monotonic()) > 0:
            each_turn()
            self._turn(seconds=min(1, remaining))
        for listener in self._listeners:
            wasyncore.dispatcher.close(listener)  # its own method closes the trigger, too
        self._turn(seconds=0)  # Receive what has arrived, so that no such connection is idle.
        self._finish()
        self._dispatcher.shutdown(timeout=END_SECONDS)

    def _finish(self) -> None:
        for channel in self._channels():
            channel.leave()
        ends = time.monotonic() + LEAVE_SECONDS
        while self._channels() and time.monotonic() < ends:
            self._turn(seconds=0.1)

    def _channels(self) -> list[FairChannel]:
        return connections(self._map)

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)


class _Supervisor(wasyncore.dispatcher):  # type: ignore[misc]  # waitress has no types
    """The connection to the supervisor. It ends with the supervisor."""

    def __init__(self, sock: socket.socket, sockets: dict[int, Any], server: WebServer) -> None:
        super().__init__(sock, sockets)
        self._server = server

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.handle_close()

    def handle_close(self) -> None:
        self.close()
        self._server.leave()

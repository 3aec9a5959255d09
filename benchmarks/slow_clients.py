"""Clients that upload so slowly that they block a server which waits for them."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

SECONDS_A_BYTE = 1.0
_HEAD = (
    b"POST /api/v1/uploads/ HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=slow\r\nContent-Length: 1000000\r\n\r\n"
)
_FILES_BESIDE = 200


class SlowClients:
    """Connections that each send one byte per second of an endless body."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self._connections = connections
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def connected(self) -> int:
        """Return how many connections are still open."""
        return sum(_is_open(connection) for connection in self._connections)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        while not self._done.wait(SECONDS_A_BYTE):
            for connection in self._connections:
                with suppress(OSError):  # the server has closed the connection
                    connection.send(b"-")


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[SlowClients]:
    """Let `count` clients upload one byte per second while the block runs."""
    _allow_open_files(count + _FILES_BESIDE)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(_HEAD)
        clients = SlowClients(connections)
        stack.callback(clients.stop)
        yield clients


def _is_open(connection: socket.socket) -> bool:
    """Return whether a connection is open and has no answer yet."""
    connection.setblocking(False)
    try:
        connection.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

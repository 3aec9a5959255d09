"""Clients that block a server which waits for them: they upload slowly, or do not read answers."""

import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

SECONDS_A_BYTE = 1.0
# Any token: the server receives the body of an upload only with one.
_UPLOAD = (
    b"POST /api/v1/uploads/ HTTP/1.1\r\nHost: localhost\r\nCookie: maria_session=slow\r\n"
    b"Content-Type: multipart/form-data; boundary=slow\r\nContent-Length: 1000000\r\n\r\n"
)
# 1.5 MB, the largest file that anybody can get.
LARGE_FILE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
_PIPELINED = 30
_FILES_BESIDE = 200


class SlowClients:
    """Connections that never end: each sends `drip` once a second, or nothing."""

    def __init__(self, connections: list[socket.socket], drip: bytes = b"") -> None:
        self._connections = connections
        self._drip = drip
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def connected(self) -> int:
        """Return how many connections are still open, without an answer."""
        return sum(_is_open(connection) for connection in self._connections)

    def begun(self) -> int:
        """Return how many connections have the beginning of an answer."""
        return sum(
            not _is_open(connection) and _peek(connection).startswith(b"HTTP/1.1 2")
            for connection in self._connections
        )

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _send(self) -> None:
        while self._drip and not self._done.wait(SECONDS_A_BYTE):
            for connection in self._connections:
                with suppress(OSError):  # the server has closed the connection
                    connection.send(self._drip)


@contextmanager
def slow_clients(port: int, count: int) -> Iterator[SlowClients]:
    """Let `count` clients upload one byte per second while the block runs."""
    with _connected(port, count, _UPLOAD, drip=b"-") as clients:
        yield clients


@contextmanager
def stuck_readers(
    port: int, count: int, path: str = LARGE_FILE, headers: str = ""
) -> Iterator[SlowClients]:
    """Let `count` clients ask 30 times for a file and read nothing while the block runs."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()
    with _connected(port, count, _PIPELINED * request) as clients:
        yield clients


@contextmanager
def _connected(port: int, count: int, data: bytes, drip: bytes = b"") -> Iterator[SlowClients]:
    _allow_open_files(count + _FILES_BESIDE)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
            for _ in range(count)
        ]
        for connection in connections:
            connection.sendall(data)
        clients = SlowClients(connections, drip)
        stack.callback(clients.stop)
        yield clients


def _is_open(connection: socket.socket) -> bool:
    """Return whether a connection is open and has no answer yet."""
    try:
        _peek(connection)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _peek(connection: socket.socket) -> bytes:
    connection.setblocking(False)
    return connection.recv(20, socket.MSG_PEEK)


def _allow_open_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""The server of `./run` with a small application, in this process."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from maria_project import web
from maria_project.listening import open_sockets
from maria_project.server.loop import WebServer

LARGE = web.MIB
REQUEST = b"%b /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


class TinyServer:
    """`/file` sends a file, `/copy` many bytes, `/stream` never ends, `/unchanged` has no body.

    `/wait`, uploads and sessions wait for `go_on`. Any other path is short.
    """

    def __init__(
        self, file: Any, threads: int, headers: Sequence[tuple[str, str]], addresses: int
    ) -> None:
        self.begun: list[str] = []
        self.ended = threading.Event()
        self.go_on = threading.Event()
        self._file, self._headers = file, headers
        sockets = [one for _ in range(addresses) for one in open_sockets("127.0.0.1", 0)]
        self._listening = sockets[0]
        self.port, self.last_port = (one.getsockname()[1] for one in (sockets[0], sockets[-1]))
        self._server = WebServer(
            self._answer,
            sockets,
            threads,
            **web.options() | {"outbuf_high_watermark": LARGE},
        )
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def connected(self) -> int:
        return len(self._server._channels())

    def waiting(self) -> int:
        """Return how many requests wait for a thread."""
        return self._server._dispatcher.queue.waiting

    def receives(self) -> int:
        """Return how many requests have arrived in part."""
        return sum(channel.request is not None for channel in self._server._channels())

    def leave(self) -> None:
        """Do what SIGTERM does."""
        self._server.leave()

    def accepts(self) -> bool:
        return bool(self._listening.fileno() >= 0)

    def has_left(self) -> bool:
        return not self._thread.is_alive()

    def connect(self, *paths: str, method: str = "GET", port: int = 0) -> socket.socket:
        """Connect and request paths, one right after the other, with a small window."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", port or self.port))
        connection.sendall(b"".join(REQUEST % (method.encode(), path.encode()) for path in paths))
        return connection

    def answers(self) -> bool:
        """Return whether a short request is answered."""
        with self.connect("short") as connection:
            return connection.recv(100).startswith(b"HTTP/1.1 200")

    def stop(self) -> None:
        self.leave()
        self._thread.join(20)
        assert self.has_left()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"].strip("/")
        self.begun.append(path)
        if path == "unchanged":
            start("304 Not Modified", [])
            return []
        start("200 OK", list(self._headers))
        if path.startswith(("wait", "api/v1/uploads", "api/v1/sessions")):
            self.go_on.wait(20)
        if path == "file":
            return environ["wsgi.file_wrapper"](self._file.open("rb"))
        return self._stream() if path == "stream" else [b"x" * (LARGE if path == "copy" else 5)]

    def _stream(self) -> Iterator[bytes]:
        try:
            while True:
                yield b"x" * web.MIB
        finally:
            self.ended.set()


@contextmanager
def tiny_server(
    folder: Path,
    threads: int = 1,
    headers: Sequence[tuple[str, str]] = (),
    addresses: int = 1,
) -> Iterator[TinyServer]:
    (folder / "file").write_bytes(b"x" * LARGE)
    running = TinyServer(folder / "file", threads, headers, addresses)
    try:
        yield running
    finally:
        running.go_on.set()
        running.stop()


def rest(connection: socket.socket) -> bytes:
    """Return what still arrives until the connection ends, or nothing more comes."""
    received = bytearray()
    with suppress(ConnectionError, TimeoutError):
        while more := connection.recv(web.MIB):
            received += more
    return bytes(received)


def until(condition: Callable[[], Any]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 20 s")

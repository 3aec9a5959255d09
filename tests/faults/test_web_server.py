"""What a connection can keep: no worker thread, and a bounded number of unread bytes.

The server of `./run` with one worker thread and a small application, in this process.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from waitress.server import BaseWSGIServer, create_server
from waitress.wasyncore import close_all

from maria_project import web
from maria_project.server import channel
from maria_project.server.channel import FairChannel
from maria_project.server.dispatcher import FairDispatcher

LARGE = web.MIB
REQUEST = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


class TinyServer:
    """`/file` sends a file, `/copy` many bytes, `/stream` never ends, `/wait` and uploads wait for `go_on`.

    Any other path is short.
    """

    def __init__(self, file: Any, threads: int = 1) -> None:
        self.begun: list[str] = []
        self.ended = threading.Event()
        self._file = file
        self._map: dict[int, Any] = {}
        self.go_on = threading.Event()
        self._server: Any = create_server(
            self._answer,
            self._map,
            host="127.0.0.1",
            port=0,
            _dispatcher=FairDispatcher(threads),
            **web.options() | {"outbuf_high_watermark": LARGE},
        )
        self.port = int(self._server.effective_port)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()

    def connected(self) -> int:
        return len(self._server.active_channels)

    def waiting(self) -> int:
        """Return how many requests wait for a thread."""
        return int(self._server.task_dispatcher.queue.waiting)

    def connect(self, *paths: str) -> socket.socket:
        """Connect and request paths, one right after the other, with a small window."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.settimeout(20)
        connection.connect(("127.0.0.1", self.port))
        connection.sendall(b"".join(REQUEST % path.encode() for path in paths))
        return connection

    def answers(self) -> bool:
        """Return whether a short request is answered."""
        with self.connect("short") as connection:
            return connection.recv(100).startswith(b"HTTP/1.1 200")

    def stop(self) -> None:
        """End the loop as SIGTERM does."""
        sockets = dict(self._map)
        self._map.clear()
        self._server.pull_trigger()
        self._thread.join(20)
        self._server.task_dispatcher.shutdown()
        close_all(sockets, ignore_all=True)

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Any:
        path = environ["PATH_INFO"].strip("/")
        self.begun.append(path)
        start("200 OK", [])
        if path.startswith(("wait", "api/v1/uploads")):
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


@pytest.fixture
def start_server(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TinyServer]]:
    monkeypatch.setattr(BaseWSGIServer, "channel_class", FairChannel)
    (tmp_path / "file").write_bytes(b"x" * LARGE)
    with ExitStack() as stack:

        def start(threads: int = 1) -> TinyServer:
            server = TinyServer(tmp_path / "file", threads)
            stack.callback(server.stop)
            return server

        yield start


@pytest.fixture
def server(start_server: Callable[..., TinyServer]) -> TinyServer:
    return start_server()


def rest(connection: socket.socket) -> bytes:
    """Return what still arrives until the connection ends."""
    received = bytearray()
    with suppress(ConnectionError):
        while more := connection.recv(web.MIB):
            received += more
    return bytes(received)


def until(condition: Callable[[], Any]) -> None:
    for _ in range(400):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen within 20 s")


@pytest.mark.parametrize("path", ["file", "copy"])
def test_t87_a_second_request_begins_when_the_first_answer_is_read(
    server: TinyServer, path: str
) -> None:
    with server.connect(path, "second", "third") as reader:
        until(lambda: server.begun)
        assert all(server.answers() for _ in range(3))
        assert server.begun == [path, "short", "short", "short"]

        received = bytearray()
        while len(received) < LARGE or received.count(b"HTTP/1.1 200") < 3:
            received += reader.recv(web.MIB)

    assert server.begun[-2:] == ["second", "third"]


def test_t87_connections_that_pipeline_come_last(server: TinyServer) -> None:
    with ExitStack() as stack:
        stack.enter_context(server.connect("wait"))
        until(lambda: server.begun)
        greedy = [stack.enter_context(server.connect("pipelined", "again")) for _ in range(3)]
        until(lambda: server.connected() == 4)
        plain = [stack.enter_context(server.connect("plain")) for _ in range(3)]
        until(lambda: server.waiting() == 6)
        server.go_on.set()
        for connection in plain:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        for connection in greedy:
            while connection.recv(100).count(b"HTTP/1.1 200") < 1:
                pass
        until(lambda: len(server.begun) == 10)
    assert server.begun[:4] == ["wait", "plain", "plain", "plain"]
    assert server.begun.count("pipelined") == server.begun.count("again") == 3


def test_t87_health_is_answered_while_all_threads_wait(server: TinyServer) -> None:
    with server.connect("wait"), server.connect("wait"), server.connect("health/live") as check:
        assert check.recv(100).startswith(b"HTTP/1.1 200")
        assert server.begun == ["wait", "health/live"]
        server.go_on.set()


def test_t87_requests_that_wait_for_the_store_leave_two_threads(
    start_server: Callable[..., TinyServer],
) -> None:
    server = start_server(threads=4)
    with ExitStack() as stack:
        uploads = [
            stack.enter_context(server.connect("api/v1/uploads/12/download/")) for _ in range(5)
        ]
        until(lambda: server.waiting() == 3)
        stack.enter_context(server.connect("wait"))
        until(lambda: "wait" in server.begun)
        assert server.answers()
        server.go_on.set()
        for connection in uploads:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_t87_a_write_without_progress_ends_and_frees_its_thread(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "WRITE_SECONDS", 0.2)
    with server.connect("stream"), server.connect("file"):
        assert server.ended.wait(20)
        assert server.answers()
        until(lambda: not server.connected())


def test_t87_only_two_threads_wait_for_clients(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "_waiting", threading.BoundedSemaphore(1))
    channel._waiting.acquire()
    with server.connect("stream"):
        assert server.ended.wait(20)
        assert server.answers()


def test_t87_what_all_clients_have_not_read_is_bounded(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "UNREAD_BYTES", 2 * LARGE)
    first, file, *others = [server.connect(path) for path in ("copy", "file", "copy", "copy")]
    until(lambda: server.begun.count("copy") == 3 and server.connected() == 3)
    for connection in (first, file, *others):
        connection.settimeout(20)

    # The one that has read nothing for longest went. A file that is sent takes no room.
    assert len(rest(first)) < LARGE
    assert len(file.recv(100)) == len(others[0].recv(100)) == 100
    for connection in (first, file, *others):
        connection.close()


def test_t87_a_request_must_arrive_in_time(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "REQUEST_SECONDS", 0.2)
    with server.connect() as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        assert slow.recv(100) == b""


def test_t87_urgent_data_does_not_keep_the_server_awake(server: TinyServer) -> None:
    with server.connect() as urgent:
        urgent.send(b"!", socket.MSG_OOB)
        until(lambda: not server.connected())
        assert server.answers()

"""What a connection can keep: no worker thread, and a bounded number of unread bytes."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from maria_project import web
from maria_project.server import channel
from tests.faults.tiny_server import LARGE, TinyServer, rest, tiny_server, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TinyServer]:
    with tiny_server(tmp_path, addresses=2) as running:  # as `localhost` has
        yield running


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


def test_an_answer_without_a_body_keeps_the_connection(server: TinyServer) -> None:
    with server.connect("unchanged") as page:
        assert page.recv(1000).startswith(b"HTTP/1.1 304")
        page.sendall(b"GET /short HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert rest(page).startswith(b"HTTP/1.1 200")


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
        until(lambda: server.begun == ["wait", "health/live"])
        assert check.recv(100).startswith(b"HTTP/1.1 200")
        server.go_on.set()


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
    # Of all addresses together.
    first, file, *others = [
        server.connect(path, port=port)
        for path, port in (("copy", server.last_port), ("file", 0), ("copy", 0), ("copy", 0))
    ]
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

"""A web server that is asked to leave: what has begun is answered to its end, within a bound."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from maria_project.server import channel, loop
from tests.faults.tiny_server import LARGE, REQUEST, TinyServer, rest, tiny_server, until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TinyServer]:
    with tiny_server(tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", ["file", "copy"])
def test_an_answer_that_is_being_sent_arrives_whole(server: TinyServer, path: str) -> None:
    with server.connect(path) as reader:
        until(lambda: server.begun)
        server.leave()
        until(lambda: not server.accepts())
        received = rest(reader)

    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert len(body) >= LARGE
    until(server.has_left)


def test_a_request_that_is_being_answered_ends_its_connection(server: TinyServer) -> None:
    with server.connect("wait") as visitor:
        until(lambda: server.begun)
        server.leave()
        until(lambda: not server.accepts())
        server.go_on.set()

        assert b"Connection: close" in rest(visitor)
    until(server.has_left)


def test_requests_that_wait_for_a_thread_are_answered(server: TinyServer) -> None:
    with server.connect("wait") as first, server.connect("short") as second:
        until(lambda: server.waiting() == 1)
        server.leave()
        until(lambda: not server.accepts())
        server.go_on.set()

        assert rest(first).startswith(b"HTTP/1.1 200")
        assert rest(second).startswith(b"HTTP/1.1 200")


def test_a_request_that_has_arrived_in_part_is_received_and_answered(server: TinyServer) -> None:
    with server.connect() as slow:
        slow.sendall(b"GET /short HTTP/1.1\r\n")
        until(lambda: server.receives() == 1)
        server.leave()
        until(lambda: not server.accepts())
        slow.sendall(b"Host: localhost\r\n\r\n")

        assert rest(slow).startswith(b"HTTP/1.1 200")


def test_a_new_connection_may_send_its_first_request(server: TinyServer) -> None:
    with server.connect() as new:
        until(lambda: server.connected() == 1)
        server.leave()
        until(lambda: not server.accepts())
        new.sendall(REQUEST % (b"GET", b"short"))

        assert rest(new).startswith(b"HTTP/1.1 200")


def test_a_connection_without_a_request_ends_at_once(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "NEW_SECONDS", 0)
    with server.connect("short") as kept, server.connect() as unused:
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: server.connected() == 2)
        server.leave()
        until(server.has_left)

        assert rest(kept).count(b"HTTP/1.1") == 0
        assert rest(unused) == b""


def test_no_client_keeps_the_server_longer_than_its_bound(
    server: TinyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LEAVE_SECONDS", 0.5)
    with server.connect("copy"), server.connect() as slow:
        slow.sendall(b"GET /short HTTP/1.1\r\n")
        until(lambda: server.begun and server.receives() == 1)
        server.leave()
        until(server.has_left)

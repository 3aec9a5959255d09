"""How answers are sent: in one packet, by one thread, and files by the kernel."""

import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from maria_project.server import channel
from tests.faults.tiny_server import LARGE, REQUEST, rest, tiny_server, until


def test_the_first_packet_has_headers_and_body(tmp_path: Path) -> None:
    with tiny_server(tmp_path) as server:
        for _ in range(100):
            with server.connect("short") as connection:
                assert connection.recv(1000).endswith(b"\r\nxxxxx")


def test_the_main_thread_leaves_short_answers_to_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count()
    write = channel.FairChannel.handle_write

    def counted(self: channel.FairChannel) -> None:
        next(calls)
        write(self)

    monkeypatch.setattr(channel.FairChannel, "handle_write", counted)
    with tiny_server(tmp_path, threads=4) as server, ThreadPoolExecutor(4) as clients:

        def ask(_: int) -> None:
            with server.connect() as connection:
                for _ in range(100):
                    connection.sendall(REQUEST % (b"GET", b"short"))
                    assert connection.recv(1000)

        list(clients.map(ask, range(4)))
    assert next(calls) < 40, "without the rule it is called thousands of times"


def test_a_file_that_becomes_shorter_ends_its_connection(tmp_path: Path) -> None:
    with tiny_server(tmp_path) as server, server.connect("file") as reader:
        until(lambda: server.begun)
        os.truncate(tmp_path / "file", 0)
        assert len(rest(reader)) < LARGE
        assert not server.connected()

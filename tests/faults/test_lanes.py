"""Requests of one kind take only some of the threads, so that none stops the others."""

from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection

from tests.faults.tiny_server import tiny_server, until


def test_t87_requests_that_wait_for_the_store_leave_two_threads(tmp_path: Path) -> None:
    with tiny_server(tmp_path, threads=4) as server, ExitStack() as stack:
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


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite has one writer")
def test_t87_new_sessions_take_one_thread_on_sqlite(tmp_path: Path) -> None:
    with tiny_server(tmp_path, threads=4) as server, ExitStack() as stack:
        creations = [
            stack.enter_context(server.connect("api/v1/sessions/", method="POST")) for _ in range(5)
        ]
        until(lambda: server.waiting() == 4)
        assert server.answers()
        server.go_on.set()
        for connected in creations:
            assert connected.recv(100).startswith(b"HTTP/1.1 200")

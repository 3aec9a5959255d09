"""What the web server itself does for a request: it has a budget, and its headers are waitress's."""

import gc
import json
import socket
import sys
import threading
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from waitress.task import WSGITask

from maria_project.server.channel import Task
from tests.faults.tiny_server import tiny_server

# Of one request with a JSON body, from its first byte to that of the answer, as last measured.
CALLS = 499
# How often the loop looks at the connection depends a little on the machine.
OF_THE_LOOP = 10
REQUESTS = 20
BODY = json.dumps({"uuid": "0190b5b3-7f5e-4c1e-9d3e-1d1f5b3c2a10"}).encode()
REQUEST = (
    b"POST /api/v1/service/sessions/introspect/ HTTP/1.1\r\nHost: sessions.example.com\r\n"
    b"Content-Type: application/json\r\nX-Forwarded-For: 203.0.113.7\r\nUser-Agent: test\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
# What Django and the middleware set on an answer of the API.
HEADERS = [
    ("Content-Type", "application/json"),
    ("Content-Length", "5"),
    ("Set-Cookie", "one=1"),
    ("Set-Cookie", "two=2"),
    ("X-Note", "caf\xe9"),
    *((f"X-Header-{number}", "value") for number in range(10)),
]


class Calls:
    """Counts the calls of each thread. The application of this test has a few of them."""

    def __init__(self) -> None:
        self.of: Counter[int] = Counter()

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            self.of[threading.get_ident()] += 1


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="another version of Python calls functions differently"
)
def test_the_server_takes_few_calls_for_a_request(tmp_path: Path) -> None:
    calls = Calls()
    threading.setprofile(calls)
    try:
        with (
            tiny_server(tmp_path, headers=HEADERS) as server,
            server.connect("short") as connection,
        ):
            _read_answer(connection)
            _send(connection)
            gc.collect()
            calls.of.clear()
            for _ in range(REQUESTS):
                _send(connection)
            counted = calls.of.total()
    finally:
        threading.setprofile(None)

    assert counted / REQUESTS <= CALLS + OF_THE_LOOP


def _send(connection: socket.socket) -> None:
    connection.sendall(REQUEST)
    _read_answer(connection)


def _read_answer(connection: socket.socket) -> None:
    received = b""
    while not received.endswith(b"xxxxx"):
        received += connection.recv(10_000)
    assert received.startswith(b"HTTP/1.1 200")
    assert received.count(b"\r\nX-Header-") == 10


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("connection", ["", "close", "keep-alive"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize(
    "headers",
    [
        HEADERS,
        [("content-length", "5"), ("x-note", "lower case")],
        [("X-Note", "without a length")],
        [("Date", "today"), ("Server", "another"), ("Via", "a proxy"), ("Content-Length", "5")],
    ],
)
def test_headers_are_those_of_waitress(
    version: str, connection: str, status: str, headers: list[tuple[str, str]]
) -> None:
    first, ours = _header(Task, version, connection, status, headers)
    expected_first, theirs = _header(_Plain, version, connection, status, headers)

    assert first == expected_first == f"HTTP/{version} {status}"
    assert sorted(ours) == sorted(theirs)
    assert [line for line in ours if line.startswith("set-cookie")] == [
        line for line in theirs if line.startswith("set-cookie")
    ]


class _Plain(Task):
    build_response_header = WSGITask.build_response_header


def _header(
    kind: Any, version: str, connection: str, status: str, headers: list[tuple[str, str]]
) -> tuple[str, list[str]]:
    channel = SimpleNamespace(leaves=False, server=SimpleNamespace(adj=SimpleNamespace(ident="")))
    request = SimpleNamespace(
        command="GET", version=version, headers={"CONNECTION": connection} if connection else {}
    )
    task = kind(channel, request)
    task.status, task.response_headers = status, list(headers)
    first, *lines = task.build_response_header().decode("latin-1").rstrip("\r\n").split("\r\n")
    return first, [line.partition(":")[0].lower() + line.partition(":")[2] for line in lines]

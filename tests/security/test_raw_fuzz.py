"""Random bytes against the server of `./run`: what no schema describes has an answer too.

No 5xx but a documented 503, no traceback in the log, the process alive, and memory as before.
"""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import pytest

from tests.faults.test_stuck_bodies import memory
from tests.helpers import SOAK
from tests.security.raw_requests import requests
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, request, serving

# The first requests fill caches and thread stacks.
WARM_UP, COUNT, SEED = (2_000, 100_000, 2026) if SOAK else (500, 2_500, 89)
AT_ONCE = 1_000
CLIENTS = 4
MIB = 1024 * 1024
_CONTINUE = (b"HTTP/1.1 100 ", b"HTTP/1.0 100 ")
_HEAD = re.compile(rb"HTTP/1\.[01] \d{3} [^\r\n]*\r\n(?:[^\r\n]+\r\n)*\r\n")
_UNAVAILABLE = re.compile(rb'"code":"(?:database_unavailable|server_busy)"')

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    with serving(deployment(tmp_path_factory.mktemp("fuzz") / "data"), WAITRESS) as running:
        yield running


def exchange(server: UploadServer, data: bytes) -> bytes:
    """Send bytes, then nothing more, and return everything that the server sends until it closes."""
    received = bytearray()
    with suppress(ConnectionError), server.connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(65536):
            received += more
    return bytes(received)


def problems(received: bytes) -> list[str]:
    """Return what is wrong with the answers to one request."""
    heads = [head for head in _HEAD.findall(received) if not head.startswith(_CONTINUE)]
    found = [
        "no request id, and the connection is kept"
        for number, head in enumerate(heads, 1)
        if b"\r\nx-request-id: " not in head.lower()
        and (number < len(heads) or b"\r\nConnection: close\r\n" not in head)
    ]
    if received and not received.startswith(b"HTTP/1."):
        found.append("not HTTP")
    if any(head[9:10] == b"5" for head in heads) and not _UNAVAILABLE.search(received):
        found.append("5xx")
    return found


def tracebacks(server: UploadServer) -> list[str]:
    """Return the lines of the log and of the output with a traceback."""
    files = [server.deployment.data / name for name in ("log", "output")]
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if "Traceback" in line or "uncaptured" in line]


@pytest.mark.timeout(3600 if SOAK else 300)
def test_t89_random_bytes_have_an_answer_or_none(server: UploadServer) -> None:
    with ThreadPoolExecutor(CLIENTS) as pool:

        def run(seed: int, count: int) -> None:
            sent = list(requests(seed, count))
            for data, received in zip(sent, pool.map(partial(exchange, server), sent), strict=True):
                wrong = problems(received)
                assert not wrong, (wrong, data, received)

        run(SEED, WARM_UP)
        before = memory(server)
        for done in range(0, COUNT, AT_ONCE):
            run(SEED + 1 + done, min(COUNT - done, AT_ONCE))
    assert server.send(request("GET", "/health/live", b"", {})).status == 200
    assert memory(server) - before < 20 * MIB
    assert not tracebacks(server)

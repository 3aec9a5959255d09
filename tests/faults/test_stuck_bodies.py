"""Bodies that never end: what the server of `./run` receives, and how much room they take.

Each stuck client sends all of its body but the last byte.
"""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers import SOAK, pdf
from tests.maria_project.server import wait_for
from tests.security.edge import fresh_source
from tests.uploads_app.samples import FORM, UPLOADS
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, request, serving
from uploads_app.storage.spool import SHARES

STUCK = 500 if SOAK else 100
KIB, MIB = 1024, 1024 * 1024
FILE, LIMIT = 200 * KIB, 4 * MIB
SHARE = LIMIT // SHARES
LIMITS = {"SPOOL_MAX_BYTES": str(LIMIT), "UPLOAD_MAX_BYTES": str(FILE)}
# Memory that does not belong to bodies: threads, caches, the allocator.
SLACK = 20 * MIB
# Without a credential, or without a need for a body.
UNREAD = {
    "POST /health/live": 413,
    "GET /health/live": 413,
    "GET /": 413,
    "GET /static/none.js": 413,
    "DELETE /api/v1/sessions/current/": 413,
    "OPTIONS /api/v1/uploads/": 413,
    "POST /metrics": 413,
    "POST /nowhere": 404,
    "POST /api/v1/sessions/current/": 405,
    "POST /api/v1/audit-logs/": 401,
    f"POST {UPLOADS}": 401,
    "POST /api/v1/sessions/": 413,
    "POST /admin/login/": 413,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    folder = tmp_path_factory.mktemp("stuck")
    data = deployment(folder / "data")
    with serving(data, WAITRESS, **LIMITS, TMPDIR=str(folder)) as running:
        yield running


def spooled(server: UploadServer) -> int:
    """Return the bytes of the process's files without a name, in its own spool folder."""
    total = 0
    for link in Path(f"/proc/{server.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            name = str(link.readlink())
            if "/#" in name:  # a temporary file without a name
                assert name.startswith(str(server.deployment.spool)), name
                total += link.stat().st_size
    return total


def memory(server: UploadServer) -> int:
    lines = Path(f"/proc/{server.pid}/status").read_text().splitlines()
    return next(KIB * int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def stuck(server: UploadServer, size: int, **headers: str) -> bytes:
    """Return an upload of `size` bytes without its last one."""
    proof = {**server.proof, **headers}
    return request("POST", UPLOADS, b"x" * size, proof)[:-1]


def opened(stack: ExitStack, server: UploadServer, data: bytes) -> socket.socket:
    connection = stack.enter_context(server.connect())
    connection.sendall(data)
    return connection


def status(connection: socket.socket) -> int:
    """Return the status of the answer, 0 if there is none yet."""
    connection.settimeout(0.01)
    try:
        return int(connection.recv(65536, socket.MSG_PEEK).split(b" ", 2)[1])
    except TimeoutError:
        return 0


def rest(connection: socket.socket) -> bytes:
    received = bytearray()
    while more := connection.recv(65536):
        received += more
    return bytes(received)


def test_t88_an_unread_body_is_not_received(server: UploadServer) -> None:
    for call, expected in UNREAD.items():
        method, path = call.split()
        whole = request(method, path, b"x" * 20 * MIB, {"Content-Type": FORM})
        for begun in (whole[:-1], whole[: 64 * KIB], whole[: whole.index(b"x")]):
            with server.connect() as connection:
                connection.sendall(begun)
                head = connection.recv(65536)
            assert int(head.split(b" ", 2)[1]) == expected, (call, head)
            assert b"\r\nx-request-id: " in head.lower()
            assert b"\r\nConnection: close\r\n" in head


def test_t88_many_stuck_unread_bodies_take_no_room(server: UploadServer) -> None:
    before = memory(server)
    data = request("POST", "/health/live", b"x" * 64 * KIB, {}, length=20 * MIB)
    with ExitStack() as stack:
        connections = [opened(stack, server, data) for _ in range(STUCK)]
        assert {connection.recv(9 + 3)[9:] for connection in connections} == {b"413"}
        assert spooled(server) < MIB
        assert memory(server) - before < SLACK


def test_t88_stuck_uploads_take_their_share(server: UploadServer) -> None:
    with ExitStack() as stack:
        connections = [opened(stack, server, stuck(server, FILE)) for _ in range(STUCK)]
        wait_for(lambda: spooled(server) > SHARE - FILE)
        further = server.send(stuck(server, FILE), cut=600)
        assert (further.status, b'"code":"server_busy"' in further.body) == (503, True)
        assert "\r\nRetry-After: 10\r\n" in further.head
        wait_for(lambda: sum(not status(one) for one in connections) == SHARE // FILE)
        assert spooled(server) <= SHARE

        other = replace(server, source=fresh_source())
        other.start_session()
        assert other.upload().status == 201
        # Small documents have room from the same address too.
        server.start_session()
    assert_room(server)


def test_t88_all_clients_together_take_the_limit(server: UploadServer) -> None:
    with ExitStack() as stack:
        for _ in range(2 * LIMIT // SHARE):
            other = replace(server, source=fresh_source())
            for _ in range(2 * SHARE // FILE):
                opened(stack, other, stuck(other, FILE))
        wait_for(lambda: spooled(server) > LIMIT - SHARES * FILE)
        newest = replace(server, source=fresh_source())
        assert newest.send(stuck(newest, FILE), cut=600).status == 503
        assert spooled(server) <= LIMIT
    assert_room(server)


def test_a_body_is_in_memory_while_there_is_room(tmp_path: Path) -> None:
    room = {**LIMITS, "SPOOL_MAX_BYTES": str(32 * 2 * FILE)}
    data = deployment(tmp_path / "data")
    with serving(data, WAITRESS, **room, TMPDIR=str(tmp_path)) as server:
        for _ in range(2):  # the room is free again
            with ExitStack() as stack:
                opened(stack, server, stuck(server, FILE))
                assert server.upload(pdf(size=FILE // 2)).status == 201
                assert spooled(server) == 0
                for _ in range(4):
                    opened(stack, server, stuck(server, FILE))
                wait_for(lambda: spooled(server) >= 3 * (FILE - KIB))
                assert server.upload(pdf(size=FILE // 2)).status == 201
            server.start_session()


def test_t88_a_chunked_body_is_counted_as_it_arrives(server: UploadServer) -> None:
    head = request("POST", UPLOADS, b"", {**server.proof, "Transfer-Encoding": "chunked"}, None)
    chunk = b"%x\r\n%b\r\n" % (32 * KIB, b"x" * 32 * KIB)
    with ExitStack() as stack:
        for _ in range(SHARE // FILE):
            opened(stack, server, stuck(server, FILE))
        wait_for(lambda: spooled(server) > SHARE - FILE)
        late = opened(stack, server, head + 6 * chunk)
        late.settimeout(20)
        assert late.recv(65536).startswith(b"HTTP/1.1 503 ")
        assert spooled(server) <= SHARE
    assert_room(server)
    # Larger than a file can be: the answer of the application, before the end.
    with ExitStack() as stack:
        answer = rest(opened(stack, server, head + 10 * chunk))
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"file_too_large" in answer


@pytest.mark.parametrize("line", [b"1" * 70_000, b"1;a=" + b"b" * 70_000])
def test_t88_lines_between_chunks_are_short(server: UploadServer, line: bytes) -> None:
    head = request("POST", UPLOADS, b"", {**server.proof, "Transfer-Encoding": "chunked"}, None)
    with server.connect() as connection:
        connection.sendall(head + line)
        assert connection.recv(65536).startswith(b"HTTP/1.1 4")


def test_t88_a_client_that_expects_100_is_refused_without_it(server: UploadServer) -> None:
    expects = {"Expect": "100-continue"}
    head = request("POST", UPLOADS, b"", {**server.proof, **expects}, length=FILE)
    with server.connect() as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    for path, length in (("/health/live", FILE), ("/health/live", 0), (UPLOADS, 20 * MIB)):
        method = "POST" if length else "GET"
        answer = server.send(request(method, path, b"", {**server.proof, **expects}, length))
        assert answer.status == (413 if length else 200), path


def test_t88_the_address_is_read_as_for_rate_limits(tmp_path: Path) -> None:
    data = deployment(tmp_path / "data")
    with serving(data, WAITRESS, **LIMITS, TRUSTED_PROXIES="1") as server, ExitStack() as stack:
        for _ in range(SHARE // FILE):
            opened(
                stack, server, stuck(server, FILE, **{"X-Forwarded-For": "192.0.2.1, 198.51.100.1"})
            )
        wait_for(lambda: spooled(server) > SHARE - FILE)
        further = {
            address: server.send(
                stuck(server, FILE, **{"X-Forwarded-For": address}), cut=600
            ).status
            for address in ("198.51.100.1", "203.0.113.5, 198.51.100.1", "198.51.100.2")
        }
        assert further == {
            "198.51.100.1": 503,
            "203.0.113.5, 198.51.100.1": 503,
            "198.51.100.2": 0,
        }


def assert_room(server: UploadServer) -> None:
    """Assert that closed connections take no room, and that the client may upload again."""
    server.start_session()
    assert server.upload().status == 201
    assert spooled(server) == 0

"""Request smuggling: a message whose end two servers could read differently is refused.

The tests send raw bytes to the web server. A second request, which ends the session,
follows each message and must not be answered.
"""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import pdf
from tests.nginx import hop, need_nginx, running
from tests.uploads_app.samples import FORM, UPLOADS, form, part
from tests.uploads_app.server import (
    WAITRESS,
    HttpAnswer,
    UploadServer,
    deployment,
    request,
    serving,
)

pytestmark = pytest.mark.slow

FILE = form(part(pdf("framed")))
SIZE = b"%x" % len(FILE)
LENGTH = b"Content-Length: %d" % len(FILE)
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKS = SIZE + b"\r\n" + FILE + b"\r\n0\r\n\r\n"
MAX_HEADERS = 100
STYLE = "/static/admin/css/base.css"
LAST = b"GET /last/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

# Header lines and body of an upload whose end is ambiguous or missing.
UNCLEAR: dict[str, tuple[bytes, bytes]] = {
    "a length, then chunks": (b"Content-Length: %d\r\n" % len(CHUNKS) + CHUNKED, CHUNKS),
    "chunks, then a length": (CHUNKED + b"\r\nContent-Length: %d" % len(CHUNKS), CHUNKS),
    "a short length and no chunk": (b"Content-Length: 5\r\n" + CHUNKED, b"0\r\n\r\n"),
    "chunked twice": (CHUNKED + b"\r\n" + CHUNKED, CHUNKS),
    "chunked twice in a line": (CHUNKED + b", chunked", CHUNKS),
    "chunked, then identity": (CHUNKED + b", identity", CHUNKS),
    "compressed and chunked": (b"Transfer-Encoding: gzip, chunked", CHUNKS),
    "an unknown coding": (b"Transfer-Encoding: xchunked\r\n" + LENGTH, FILE),
    "a hidden coding": (b"Transfer-Encoding: \x0bchunked\r\n" + LENGTH, FILE),
    "an empty coding": (b"Transfer-Encoding:\r\n" + LENGTH, FILE),
    "a space before the colon": (b"Transfer-Encoding : chunked", CHUNKS),
    "a folded coding": (b"Transfer-Encoding:\r\n chunked", CHUNKS),
    "a coding in a fold": (b"X-A: b\r\n Transfer-Encoding: chunked\r\n" + LENGTH, FILE),
    "two lengths": (LENGTH + b"\r\nContent-Length: 5", FILE),
    "one length twice": (LENGTH + b"\r\n" + LENGTH, FILE),
    "a list of lengths": (LENGTH + b", %d" % len(FILE), FILE),
    "a signed length": (b"Content-Length: +%d" % len(FILE), FILE),
    "a negative length": (b"Content-Length: -5", FILE),
    "a hexadecimal length": (b"Content-Length: 0x10", FILE),
    "a length with an underscore": (b"Content-Length: 1_0", FILE),
    "an empty length": (b"Content-Length:", FILE),
    "a folded length": (b"Content-Length:\r\n %d" % len(FILE), FILE),
    "a folded header": (b"X-A: b\r\n c\r\n" + LENGTH, FILE),
    "a bare line feed": (b"X-A: b\nX-B: c\r\n" + LENGTH, FILE),
    "a bare carriage return": (b"X-A: b\rX-B: c\r\n" + LENGTH, FILE),
    "a NUL in a value": (b"X-A: b\0c\r\n" + LENGTH, FILE),
    "a NUL in a name": (b"X\0A: b\r\n" + LENGTH, FILE),
    "a line without a colon": (b"XA b\r\n" + LENGTH, FILE),
    "a chunk size that is no number": (CHUNKED, b"zz\r\n" + FILE + b"\r\n0\r\n\r\n"),
    "a negative chunk size": (CHUNKED, b"-5\r\n" + FILE + b"\r\n0\r\n\r\n"),
    "a prefixed chunk size": (CHUNKED, b"0x" + CHUNKS),
    "a chunk size before a line feed": (CHUNKED, CHUNKS.replace(b"\r\n", b"\n", 1)),
    "a line feed in a chunk's extension": (CHUNKED, CHUNKS.replace(b"\r\n", b";a\nb\r\n", 1)),
    "a chunk longer than its size": (CHUNKED, SIZE + b"\r\n" + FILE + b"XX\r\n0\r\n\r\n"),
    "a header of 1 MB": (b"X-A: " + b"a" * 10**6 + b"\r\n" + LENGTH, FILE),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    with serving(deployment(tmp_path_factory.mktemp("framing") / "data"), WAITRESS) as one:
        yield one


@pytest.fixture(autouse=True)
def own_session(server: UploadServer) -> None:
    """Keep each test's files out of the others' quota."""
    server.start_session()


def head(server: UploadServer, lines: bytes, version: bytes = b"1.1") -> bytes:
    """Return an upload's request line and headers, with `lines` among them."""
    proof = f"Cookie: {server.cookie}\r\nX-Session-UUID: {server.uuid}\r\nContent-Type: {FORM}\r\n"
    return (
        b"POST " + UPLOADS.encode() + b" HTTP/" + version + b"\r\nHost: localhost\r\n"
        + proof.encode() + lines + b"\r\n\r\n"
    )  # fmt: skip


def ending(server: UploadServer) -> bytes:
    """Return a valid request that ends the session."""
    headers = {"Cookie": server.cookie, "X-Session-UUID": server.uuid}
    return request("DELETE", "/api/v1/sessions/current/", b"", headers)


def exchange(server: UploadServer, data: bytes) -> list[int]:
    """Send bytes, read until the server closes the connection, and return every final status."""
    found = re.findall(rb"HTTP/1\.[01] (\d{3}) ", received(server, data))
    return [int(status) for status in found if status != b"100"]


def received(server: UploadServer, data: bytes) -> bytes:
    """Send bytes, and return what comes until the server closes the connection."""
    answers = bytearray()
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        # A server that refuses early closes while we still send.
        with suppress(ConnectionError):
            connection.sendall(data)
        with suppress(ConnectionError):
            while more := connection.recv(65536):
                answers += more
    return bytes(answers)


def kept(server: UploadServer) -> Any:
    """Return everything that a request could have changed."""
    rows = server.deployment.rows
    sessions = rows("SELECT uuid, status, last_seen_at FROM sessions_app_usersession ORDER BY 1")
    return sessions, server.deployment.statuses(), server.deployment.files(), len(events(server))


def events(server: UploadServer) -> list[str]:
    return server.deployment.events()


def assert_refused(server: UploadServer, data: bytes) -> None:
    """Assert that a message and the bytes after it get at most one answer, a refusal, and change nothing."""
    before = kept(server)

    statuses = exchange(server, data + ending(server))

    # There is no answer if the connection was reset before it was read.
    assert len(statuses) <= 1, statuses
    assert all(400 <= status < 500 or status == 501 for status in statuses), statuses
    assert kept(server) == before


@pytest.mark.parametrize("name", UNCLEAR)
def test_t20_a_body_whose_end_is_unclear_is_refused(server: UploadServer, name: str) -> None:
    lines, body = UNCLEAR[name]

    assert_refused(server, head(server, lines) + body)


@pytest.mark.parametrize("connection", [b"", b"\r\nConnection: keep-alive"])
def test_t20_http_1_0_allows_no_chunks(server: UploadServer, connection: bytes) -> None:
    assert_refused(server, head(server, CHUNKED + connection, b"1.0") + CHUNKS)


@pytest.mark.parametrize("line_ending", [b"\n", b"\r"])
def test_t20_lines_must_end_in_cr_lf(server: UploadServer, line_ending: bytes) -> None:
    first = head(server, LENGTH).replace(b"\r\n", line_ending)

    # If the headers do not end, the server answers only when the client is finished.
    assert_refused(server, first + FILE + b"\r\n\r\n")


def test_t20_a_request_inside_a_body_is_not_executed(server: UploadServer) -> None:
    inside = ending(server)
    before = kept(server)

    for path in ("/health/live", "/api/v1/nowhere/"):
        result = server.send(request("POST", path, inside, {}))
        assert 400 <= result.status < 500, result

    assert kept(server) == before


@pytest.mark.parametrize("name", [b"Content_Length: 5", b"Transfer_Encoding: chunked"])
def test_t20_an_underscore_is_not_a_hyphen(server: UploadServer, name: bytes) -> None:
    """Both have the same CGI name, so the header with the underscore must be dropped."""
    data = head(server, LENGTH + b"\r\n" + name + b"\r\nConnection: close") + FILE

    assert exchange(server, data) == [201]

    assert stored_size(server) == len(pdf("framed"))


def test_t20_a_chunked_upload_is_stored_whole(server: UploadServer) -> None:
    data = head(server, CHUNKED + b"\r\nConnection: close") + CHUNKS

    assert exchange(server, data) == [201]

    assert stored_size(server) == len(pdf("framed"))


@pytest.mark.parametrize("path", ["/api/v1/sessions/", "/api/v1/sessions/current/reset/"])
def test_t20_a_chunked_document_is_never_read_as_empty(server: UploadServer, path: str) -> None:
    """`{}` would select the defaults instead of the credential or reason that the client sent."""
    before, wrong = kept(server), b'{"credential": "none such", "reason": "none such"}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(wrong), wrong)
    headers = {
        "Cookie": server.cookie,
        "X-Session-UUID": server.uuid,
        "Content-Type": "application/json",
        "Transfer-Encoding": "chunked",
    }

    result = server.send(request("POST", path, chunks, headers, length=None))

    assert result.status == 400, result
    assert problem(result)
    assert kept(server) == before


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_t20_an_answer_to_head_has_no_body(server: UploadServer, version: bytes) -> None:
    """A body would be the answer to the next request on its connection (RFC 9110, 9.3.2)."""
    upload = json.loads(server.upload(pdf("framed")).body)["id"]
    file = f"{UPLOADS}{upload}/download/"
    export = "/api/v1/sessions/current/export/"
    before = kept(server)

    for path in (file, export, UPLOADS, "/health/live", "/nowhere/", "/admin/login/", STYLE):
        question = request("HEAD", path, b"", server.proof).replace(b"HTTP/1.1", b"HTTP/" + version)
        question = question.replace(b"close", b"keep-alive", 1)
        answer, _, rest = received(server, question + LAST).partition(b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 (200|404) |HTTP/1.0 (200|404) ", answer), (path, answer)
        # An export has no length: its connection is closed.
        assert path == export or rest.startswith(b"HTTP/1.1 404 "), (path, rest)
        assert path != export or not rest, rest
        assert path != file or b"\r\nContent-Length: %d\r\n" % len(pdf("framed")) in answer

    assert kept(server) == before


@pytest.mark.parametrize(
    ("count", "good"), [(MAX_HEADERS, True), (MAX_HEADERS + 1, False), (10_000, False)]
)
def test_t30_headers_beyond_a_hundred_are_refused(
    server: UploadServer, count: int, good: bool
) -> None:
    plain = head(server, LENGTH + b"\r\nConnection: close")
    fill = b"".join(b"X-%d: a\r\n" % number for number in range(count - plain.count(b"\r\n") + 2))
    data = plain.replace(b"Host:", fill + b"Host:") + FILE

    if good:
        assert exchange(server, data) == [201]
    else:
        assert_refused(server, data)


def test_t86_no_charset_is_an_internal_error(server: UploadServer, tmp_path: Path) -> None:
    """Directly, and behind nginx. Each answer is one of ours."""
    need_nginx()
    proxy = hop(server.port)
    with running(tmp_path / "nginx", [proxy]):
        for port in (server.port, proxy.port):
            for name in ("hex", "zlib", "rot13", "uu", "undefined", "idna", "punycode", "nope"):
                other = {"Content-Type": f"text/plain; charset={name}"}
                answers = [
                    replace(server, port=port).send(request("GET", path, b"", other))
                    for path in ("/health/live?a=%41", "/nowhere/")
                ]
                assert [answer.status for answer in answers] == [415, 415], (port, name)
                assert all("x-request-id: " in answer.head.lower() for answer in answers)
    assert '"exc_info"' not in (server.deployment.data / "log").read_text()


def stored_size(server: UploadServer) -> object:
    """Return the size of the session's one file."""
    sessions = "SELECT size FROM uploads_app_uploadedfile ORDER BY created_at DESC LIMIT 1"
    return server.deployment.rows(sessions)[0][0]


def problem(result: HttpAnswer) -> bool:
    return "application/problem+json" in result.head

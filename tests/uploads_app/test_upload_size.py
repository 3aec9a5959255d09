"""A file may have UPLOAD_MAX_BYTES and not one byte more, whatever length the client declares.

The first half uses the test client, the second half a real waitress.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.helpers import Visitor, code, events, pdf, spool_root, stored_keys, uploaded
from tests.uploads_app.samples import UPLOADS, form, part, post_form, raw_part
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, request, serving
from uploads_app.models import UploadedFile, UploadQuota

LIMIT = 5 * 1024 * 1024
FRAMING = 64 * 1024


def assert_refused(visitor: Visitor, response: Any) -> None:
    """Check that a file was refused for its size, recorded, and not kept."""
    assert (response.status_code, code(response)) == (413, "file_too_large")
    assert response.json()["max_file_bytes"] == LIMIT
    assert "5.0\N{NO-BREAK SPACE}MB" in response.json()["detail"]
    assert not UploadedFile.objects.exists()
    assert not UploadQuota.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created", "upload.rejected"]
    event = AuditLog.objects.get(event_type="upload.rejected")
    assert (event.outcome, event.session_uuid) == ("denied", visitor.row.uuid)
    assert event.details == {"code": "file_too_large", "repeated": 0}


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_t29_file_up_to_the_limit_is_stored(visitor: Visitor, size: int) -> None:
    assert uploaded(visitor, pdf(size=size)).size == size


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + FRAMING, LIMIT + 2 * FRAMING])
def test_t29_file_over_the_limit_is_refused(visitor: Visitor, size: int) -> None:
    assert_refused(visitor, visitor.upload(pdf(size=size)))
    assert list(spool_root().iterdir()) == []


@pytest.mark.both
def test_t29_limit_applies_to_decoded_base64(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 3000
    encoded = b"JVBERi0x" * 376  # 3008 bytes, 2256 decoded
    headers = (
        b'Content-Disposition: form-data; name="file"; filename="a.pdf"\r\n'
        b"Content-Transfer-Encoding: base64"
    )

    response = post_form(visitor, form(raw_part(headers, encoded)))

    assert response.status_code == 201
    assert response.json()["size"] == 2256


def test_t29_body_declared_too_large_is_refused_unread(visitor: Visitor) -> None:
    class Untouched:
        def read(self, *_: Any) -> bytes:
            raise AssertionError("the body was read")

        readline = read

    declared = {"CONTENT_LENGTH": str(10 * 2**30), "wsgi.input": Untouched()}
    response = post_form(visitor, form(part(pdf())), **declared)

    assert_refused(visitor, response)


def test_t29_too_short_declared_length_stores_nothing(visitor: Visitor) -> None:
    body = form(part(pdf()))
    for length in (1, 60, 200, len(body) - 100, len(body) - len(b"--maria-test-boundary--\r\n")):
        response = post_form(visitor, body, CONTENT_LENGTH=str(length))
        assert (response.status_code, code(response)) == (400, "file_missing"), length
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.parametrize("declared", ["-1", "abc", "1e3", "²", "0x10"])
def test_t29_invalid_declared_length_stores_nothing(visitor: Visitor, declared: str) -> None:
    response = post_form(visitor, form(part(pdf())), CONTENT_LENGTH=declared)

    assert response.status_code == 400, response.content
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.fixture(scope="module")
def waitress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """A real waitress, as ./run starts it."""
    folder = tmp_path_factory.mktemp("waitress")
    with serving(deployment(folder / "data"), WAITRESS) as server:
        yield server


@pytest.mark.slow
def test_t29_waitress_accepts_the_limit_and_not_one_byte_more(waitress: UploadServer) -> None:
    waitress.start_session()
    before = waitress.deployment.files()

    refused = waitress.upload(pdf(size=LIMIT + 1))
    assert refused.status == 413
    assert b'"code":"file_too_large"' in refused.body
    assert "application/problem+json" in refused.head
    assert waitress.deployment.files() == before
    assert waitress.deployment.spooled() == []

    assert waitress.upload(pdf(size=LIMIT)).status == 201
    assert len(waitress.deployment.files()) == len(before) + 1
    assert waitress.deployment.spooled() == []


@pytest.mark.slow
@pytest.mark.parametrize("declared", [6 * LIMIT, 10 * 2**30])
def test_t29_waitress_refuses_a_body_declared_too_large_before_it_arrives(
    waitress: UploadServer, declared: int
) -> None:
    before = waitress.deployment.files()
    start = time.monotonic()

    answer = waitress.send(
        request("POST", UPLOADS, b"--maria-test-boundary\r\n", waitress.proof, declared)
    )

    assert answer.status == 413
    assert time.monotonic() - start < 10
    assert waitress.deployment.files() == before
    assert waitress.deployment.spooled() == []


@pytest.mark.slow
@pytest.mark.parametrize("missing", [1, 1000, -30, -1000])
def test_t29_waitress_stores_nothing_with_a_wrong_length(
    waitress: UploadServer, missing: int
) -> None:
    """`missing` bytes are declared and not sent; if negative, sent and not declared."""
    waitress.start_session()
    files, statuses = waitress.deployment.files(), waitress.deployment.statuses()
    body = form(part(pdf(size=3000)))
    data = request("POST", UPLOADS, body, waitress.proof, len(body) + missing)

    answer = waitress.send(data, cut=len(data))

    assert not 200 <= answer.status < 300
    assert waitress.deployment.files() == files
    assert waitress.deployment.statuses() == statuses
    assert waitress.upload().status == 201

"""A truncated file is never stored, wherever it is cut.

The first tests call the WSGI application directly. When a client disconnects, a
server may pass it a body shorter than its Content-Length. Then the same requests
go through the web server of `./run`, which does not.
"""

import io
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import RequestFactory

from maria_project.wsgi import application
from tests.helpers import SOAK, Visitor, events, keeping_connection, pdf, spool_root, stored_keys
from tests.uploads_app.samples import BOUNDARY, FORM, PLENTY, UPLOADS, form, part
from tests.uploads_app.server import WAITRESS, deployment, request, serving
from uploads_app.models import UploadedFile, UploadQuota

LIMIT = 5 * 1024 * 1024
# More bytes than the form has before the file, and after it.
HEAD, END = 100, 40


def call(visitor: Visitor, body: bytes, length: int) -> tuple[int, bytes]:
    """Call the WSGI application with a body whose Content-Length is `length`."""
    environ = RequestFactory().generic(
        "POST", UPLOADS, b"", FORM, headers={"X-Session-UUID": visitor.uuid}
    ).environ  # fmt: skip
    environ |= {
        "CONTENT_LENGTH": str(length),
        "CONTENT_TYPE": FORM,
        "HTTP_COOKIE": f"maria_session={visitor.token}",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    status: list[str] = []

    def start_response(line: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        status.append(line)

    with keeping_connection():
        answer: Any = application(environ, start_response)
        result = b"".join(answer)
        answer.close()
    return int(status[0].split()[0]), result


@pytest.mark.slow
def test_t32_body_cut_at_any_byte_stores_nothing(visitor: Visitor, settings: Any) -> None:
    settings.RATE_LIMITS = PLENTY
    body = form(part(pdf("cut")))

    for cut in range(len(body)):
        # Without SOAK: every byte of the form's start and end, and some bytes of the file.
        if not SOAK and cut % 23 and HEAD < cut < len(body) - END:
            continue
        status, result = call(visitor, body[:cut], len(body))
        assert status == 400, (cut, result)
        assert b'"code":"body_incomplete"' in result, (cut, result)

    assert not UploadedFile.objects.exists()
    assert not UploadQuota.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]
    assert call(visitor, body, len(body))[0] == 201


@pytest.mark.both
@pytest.mark.slow
def test_t32_cut_body_with_a_matching_length_stores_nothing(
    visitor: Visitor, settings: Any
) -> None:
    """A broken proxy may set Content-Length to what it received: only the form shows the cut."""
    settings.RATE_LIMITS = PLENTY
    body = form(part(pdf("cut", 1900)))
    end = len(body) - len(b"--\r\n")

    for cut in range(1, end + 1, 1 if SOAK else 29):
        status, result = call(visitor, body[:cut], cut)
        assert status == 400, (cut, result)

    assert call(visitor, body[:end], end)[0] == 400
    assert not UploadedFile.objects.exists()
    assert stored_keys() == set()
    assert events(visitor.uuid) == ["session.created"]


@pytest.mark.both
def test_t32_large_cut_body_leaves_no_temporary_file(visitor: Visitor) -> None:
    body = form(part(pdf(size=LIMIT)))

    status, _ = call(visitor, body[:-1000], len(body))

    assert status == 400
    assert list(spool_root().iterdir()) == []
    assert stored_keys() == set()


@pytest.mark.slow
def test_t32_large_body_cut_at_random_stores_nothing(tmp_path: Path) -> None:
    with serving(deployment(tmp_path / "data"), WAITRESS) as server:
        body = form(part(pdf("cut", LIMIT - 1000)))
        data = request("POST", UPLOADS, body, server.proof)
        head = len(data) - len(body)
        chosen = random.Random(32)
        cuts = [chosen.randrange(head, len(data)) for _ in range(200 if SOAK else 30)]

        for cut in [*cuts, head, head + 1, len(data) - 1]:
            assert server.send(data, cut).status == 0, cut
            assert server.deployment.spooled() == [], cut

        deployed = server.deployment
        assert deployed.statuses() == []
        assert deployed.quotas() == []
        assert deployed.files() == []
        assert "upload.stored" not in deployed.events()
        assert server.upload().status == 201
        assert deployed.statuses() == ["stored"]
        assert len(deployed.files()) == 1


def test_the_boundary_does_not_occur_in_the_file() -> None:
    assert BOUNDARY not in pdf("cut", LIMIT - 1000)

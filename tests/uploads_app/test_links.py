"""A link opens one file of one session for 60 s, for clients with a bearer token."""

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import time_machine
from django.core import signing
from django.test import Client
from django.utils import timezone

from tests.carriers import begin
from tests.helpers import Visitor, code, database_text, events, pdf, started, store_root, uploaded
from tests.security.routes import state
from tests.sessions_app.support import end_as
from uploads_app.models import UploadedFile

BODY = pdf("linked")
UNKNOWN_ID: dict[str, Any] = {}


@pytest.fixture
def upload(visitor: Visitor) -> UploadedFile:
    """A stored file of the visitor."""
    return uploaded(visitor, BODY)


def make_link(visitor: Visitor, upload: UploadedFile) -> str:
    """POST uploads/{id}/link/ and return its path and query."""
    response = visitor.post(f"/api/v1/uploads/{upload.pk}/link/", **visitor.named)
    assert response.status_code == 200, response.content
    parts = urlsplit(response.json()["url"])
    assert (parts.scheme, parts.netloc) == ("http", "testserver")
    return f"{parts.path}?{parts.query}"


def text_of(link: str) -> str:
    """Return the signed text of a link."""
    return parse_qs(urlsplit(link).query)["link"][0]


def assert_opens(link: str, client: Client | None = None) -> None:
    response: Any = (client or Client()).get(link)
    assert response.status_code == 200
    assert response.getvalue() == BODY


def assert_invalid(link: str, client: Client | None = None, **headers: str) -> Any:
    """Check that the link is refused and nothing changed."""
    before = state()
    response = (client or Client()).get(link, headers=headers)
    assert (response.status_code, code(response)) == (401, "link_invalid")
    assert response["WWW-Authenticate"] == "Session"
    assert state() == before
    return response


@pytest.mark.both
def test_link_opens_the_file_repeatedly_without_a_proof(
    visitor: Visitor, upload: UploadedFile
) -> None:
    link = make_link(visitor, upload)

    assert_opens(link)
    assert_opens(link)
    assert_opens(link, visitor)
    assert Client().head(link).status_code == 200


def test_bearer_client_gets_a_link(db: None) -> None:
    holder = begin("bearer")
    visitor = Visitor(headers=holder.headers)
    visitor.uuid = holder.uuid

    assert_opens(make_link(visitor, uploaded(visitor, BODY)))


@pytest.mark.parametrize(("seconds", "good"), [(0, True), (60, True), (61, False), (3600, False)])
def test_link_is_valid_for_60_s(
    visitor: Visitor, upload: UploadedFile, seconds: int, good: bool
) -> None:
    """Django's signature has whole seconds."""
    made = timezone.now().replace(microsecond=0)
    with time_machine.travel(made, tick=False):
        link = make_link(visitor, upload)

    with time_machine.travel(made + timedelta(seconds=seconds), tick=False):
        if good:
            assert_opens(link)
        else:
            assert_invalid(link)


def test_link_reports_its_expiry(visitor: Visitor, upload: UploadedFile) -> None:
    now = timezone.now().replace(microsecond=0)
    with time_machine.travel(now, tick=False):
        answer = visitor.post(f"/api/v1/uploads/{upload.pk}/link/", **visitor.named)

    until = (now + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    assert answer.json()["expires_at"] == until
    assert "set-cookie" not in {name.lower() for name in answer.headers}


def test_link_opens_only_its_file(visitor: Visitor, upload: UploadedFile) -> None:
    other = uploaded(visitor, pdf("other"))
    query = urlsplit(make_link(visitor, upload)).query

    assert_invalid(f"/api/v1/uploads/{other.pk}/download/?{query}")
    for path in ("uploads/", f"uploads/{upload.pk}/", "sessions/current/"):
        response = Client().get(f"/api/v1/{path}?{query}")
        assert (response.status_code, code(response)) == (401, "session_required")
    deleted = Client().delete(f"/api/v1/uploads/{upload.pk}/?{query}")
    assert (deleted.status_code, code(deleted)) == (401, "session_required")


def test_link_with_the_proof_of_another_session_is_refused(
    visitor: Visitor, upload: UploadedFile
) -> None:
    link = make_link(visitor, upload)

    assert_invalid(link, started())
    assert_invalid(link, None, **begin("bearer").headers)
    assert_opens(link)


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_link_works_with_the_cookie_of_an_ended_session(
    visitor: Visitor, upload: UploadedFile, make_staff: Any, how: str
) -> None:
    earlier = started()
    dead = earlier.token
    end_as(how, earlier, make_staff)
    link = make_link(visitor, upload)

    for cookie in (dead, "mss1_" + "A" * 43, "nonsense"):
        client = Client()
        client.cookies["maria_session"] = cookie
        assert_opens(link, client)


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked", "erased"])
def test_link_ends_with_its_session(
    visitor: Visitor, upload: UploadedFile, make_staff: Any, how: str
) -> None:
    link = make_link(visitor, upload)
    if how == "erased":
        path = "/api/v1/sessions/current/?erase=true"
        assert visitor.delete(path, **visitor.named).status_code == 204
    else:
        end_as(how, visitor, make_staff)

    assert_invalid(link)


def test_link_to_a_deleted_file_is_404(visitor: Visitor, upload: UploadedFile) -> None:
    link = make_link(visitor, upload)
    visitor.delete_upload(str(upload.pk))

    response = Client().get(link)

    assert (response.status_code, code(response)) == (404, "not_found")
    assert visitor.post(f"/api/v1/uploads/{upload.pk}/link/", **visitor.named).status_code == 404


def test_link_to_a_file_without_an_object_is_refused(
    visitor: Visitor, upload: UploadedFile
) -> None:
    link = make_link(visitor, upload)
    (store_root() / upload.key).unlink()

    response = Client().get(link)

    assert (response.status_code, code(response)) == (404, "object_missing")


def test_link_to_a_file_of_another_session_is_refused(
    visitor: Visitor, upload: UploadedFile
) -> None:
    response = started().post(f"/api/v1/uploads/{upload.pk}/link/", **started().named)
    assert response.status_code == 401  # a mismatch
    other = started()
    response = other.post(f"/api/v1/uploads/{upload.pk}/link/", **other.named)
    assert (response.status_code, code(response)) == (404, "not_found")


def test_changed_link_opens_nothing(visitor: Visitor, upload: UploadedFile) -> None:
    link = make_link(visitor, upload)
    text = text_of(link)
    payload, stamp, signature = text.split(":")
    other = signing.dumps([visitor.uuid, str(upload.pk)], salt="something else")
    forged = [
        "", "x", ":", "::", "é", "\x00", "a" * 5000, text[:-1], text + "x", text.swapcase(), other,
        f"{payload}:{stamp}:", f"{payload}:zzzzzz:{signature}", f"{payload}x:{stamp}:{signature}",
        f":{stamp}:{signature}", visitor.token,
    ]  # fmt: skip

    for value in forged:
        assert_invalid(f"{urlsplit(link).path}?link={quote(value)}")
    assert_opens(link)


def test_refused_link_is_recorded_once_a_minute(visitor: Visitor, upload: UploadedFile) -> None:
    link = make_link(visitor, upload) + "x"
    logged = events()

    for _ in range(3):
        assert_invalid(link)

    assert events() == [*logged, "session.refused"]


def test_link_is_not_in_the_log_or_the_database(
    visitor: Visitor, upload: UploadedFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = make_link(visitor, upload)
    bad = make_link(visitor, upload) + "x"

    assert_opens(good)
    assert_invalid(bad)
    assert Client().get(good.replace(str(upload.pk), visitor.uuid)).status_code == 401

    logged = caplog.text + database_text()
    assert "/download/" in caplog.text  # the search itself works
    for link in (good, bad):
        for part in text_of(link).split(":"):
            assert part not in logged


def test_download_by_link_has_the_usual_headers(visitor: Visitor, upload: UploadedFile) -> None:
    link = make_link(visitor, upload)
    own, linked = visitor.get(urlsplit(link).path), Client().get(link)

    ignored = {"X-Request-ID", "RateLimit"}
    assert own.getvalue() == linked.getvalue()
    headers = [{k: v for k, v in r.items() if k not in ignored} for r in (own, linked)]
    assert headers[0] == headers[1]
    assert linked["Cache-Control"] == "private, no-store"
    assert linked["Content-Disposition"] == 'attachment; filename="report.pdf"'
    assert not linked.cookies

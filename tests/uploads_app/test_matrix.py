"""Only the session that owns a file can reach it or learn that it exists."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache

from sessions_app.services.sessions import revoke_session
from tests.helpers import Visitor, age_session, code, events, pdf, started, stored_keys, uploaded
from tests.uploads_app.samples import PLENTY, UPLOADS
from uploads_app.api.urls import router
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus

# The results are the same on every database.

ENDPOINTS = [
    ("GET", "{}/"),
    ("HEAD", "{}/"),
    ("DELETE", "{}/"),
    ("GET", "{}/download/"),
    ("HEAD", "{}/download/"),
    ("POST", "{}/link/"),
    ("POST", "{}/complete/"),
]
# Headers that differ between any two answers.
OWN = {"X-Request-ID", "RateLimit"}


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    settings.RATE_LIMITS = PLENTY


def summary_of(response: Any) -> tuple[int, str, dict[str, str]]:
    """Return status, body and headers of an answer without its request id."""
    headers = {name: value for name, value in response.items() if name not in OWN}
    body = response.content.decode()
    if body:
        document = json.loads(body)
        body = body.replace(document["request_id"], "…")
    return response.status_code, body, headers


def ask(sender: Visitor, method: str, path: str) -> Any:
    """Call an endpoint with every proof that the sender has."""
    return sender.generic(method, UPLOADS + path, **(sender.named if sender.uuid else {}))


def everything() -> Any:
    """Return all rows and objects; they must not change."""
    return (
        list(UploadedFile.objects.order_by("id").values()),
        list(UploadQuota.objects.order_by("session_id").values()),
        stored_keys(),
    )


def files_of(visitor: Visitor) -> list[UploadedFile]:
    """Create a file in each status."""
    for status in UploadStatus:
        upload = uploaded(visitor, pdf(status))
        UploadedFile.objects.filter(pk=upload.pk).update(status=status)
    return list(UploadedFile.objects.order_by("id"))


def assert_same_answers(sender: Visitor, files: list[UploadedFile], status: int) -> None:
    """Check that each endpoint answers each file as an unknown id."""
    assert len(files) == len(UploadStatus)
    for method, path in ENDPOINTS:
        before = everything()

        unknown = summary_of(ask(sender, method, path.format(uuid.uuid4())))
        answers = [summary_of(ask(sender, method, path.format(upload.pk))) for upload in files]

        assert unknown[0] == status, (method, path)
        assert answers == len(files) * [unknown], (method, path)
        assert everything() == before, (method, path)


def expired(visitor: Visitor) -> None:
    """Make the session expire."""
    age_session(visitor.row, timedelta(days=31))
    assert visitor.current().status_code == 401


def ended(visitor: Visitor) -> None:
    """End the session and keep the token."""
    token = visitor.token
    visitor.end()
    visitor.cookies["maria_session"] = token


def revoked(visitor: Visitor) -> None:
    """Revoke the session as staff."""
    revoke_session(session=visitor.row, reason="test")


def reset(visitor: Visitor) -> None:
    """Reset the session and keep the old token."""
    first, token = visitor.uuid, visitor.token
    visitor.reset()
    visitor.uuid, visitor.cookies["maria_session"] = first, token


def test_t14_matrix_covers_every_endpoint() -> None:
    assert {getattr(url, "name", None) for url in router.urls} == {
        "upload-list",
        "upload-detail",
        "upload-download",
        "upload-link",
        "upload-direct",
        "upload-complete",
    }


@pytest.fixture
def many_files(settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = 20
    settings.UPLOAD_MAX_TOTAL_BYTES = 10**9


@pytest.mark.usefixtures("db", "many_files")
def test_t14_files_of_another_session_are_answered_as_unknown() -> None:
    a, b = started(), started()
    own = uploaded(b)
    files = files_of(a)
    log = events()

    assert_same_answers(b, [upload for upload in files if upload != own], 404)

    assert events() == log


@pytest.mark.usefixtures("db", "many_files")
@pytest.mark.parametrize("end", [expired, ended, revoked, reset])
def test_t14_ended_session_reaches_no_file(end: Callable[[Visitor], None]) -> None:
    a = started()
    files = files_of(a)
    end(a)

    assert_same_answers(a, files, 401)


@pytest.mark.usefixtures("db", "many_files")
def test_t14_client_without_a_proof_reaches_no_file() -> None:
    assert_same_answers(Visitor(), files_of(started()), 401)


@pytest.mark.usefixtures("db", "many_files")
def test_t14_uuid_of_another_session_gives_no_access() -> None:
    a, b = started(), started()
    files = files_of(a)
    b.uuid = a.uuid

    assert_same_answers(b, files, 401)


@pytest.mark.usefixtures("db")
def test_t14_other_clients_get_an_empty_list_or_a_refusal() -> None:
    a, b = started(), started()
    uploaded(a)

    assert b.get(UPLOADS).json()["results"] == []
    for sender, reason in ((Visitor(), "session_required"), (_over(a), "session_invalid")):
        response = sender.get(UPLOADS)
        assert (response.status_code, code(response)) == (401, reason)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("end", [expired, ended, revoked, reset])
def test_t14_ended_session_stores_nothing(end: Callable[[Visitor], None]) -> None:
    a = started()
    uploaded(a)
    end(a)
    before = everything()

    response = a.upload()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert everything() == before


@pytest.mark.usefixtures("db")
def test_t14_client_without_a_proof_stores_nothing() -> None:
    anonymous = Visitor()

    response = anonymous.upload(headers={})

    assert (response.status_code, code(response)) == (401, "session_required")
    assert stored_keys() == set()
    assert events() == ["session.refused"]


STRANGE = (
    "x", "0", "%2e%2e", "../sessions", "6824d69e-e697-11f1-9710-02fc00000001",
     "0B55BD1C-2C50-4FD6-9D3C-0A8D7F8A6B11", "{0b55bd1c-2c50-4fd6-9d3c-0a8d7f8a6b11}", "0b55bd1c2c504fd69d3c0a8d7f8a6b11", "*", "%00", "marker.json",
)  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_t14_malformed_id_is_not_found(visitor: Visitor, method: str, path: str) -> None:
    uploaded(visitor)
    before = everything()

    for malformed in STRANGE:
        assert ask(visitor, method, path.format(malformed)).status_code == 404, malformed
        assert everything() == before, malformed


def _over(visitor: Visitor) -> Visitor:
    expired(visitor)
    cache.clear()
    return visitor

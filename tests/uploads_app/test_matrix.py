"""Nobody reaches a file but the session that is proven to hold it, and nobody learns that it exists."""

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

# What is said here is the same on every database.

ENDPOINTS = [
    ("GET", "{}/"),
    ("HEAD", "{}/"),
    ("DELETE", "{}/"),
    ("GET", "{}/download/"),
    ("HEAD", "{}/download/"),
    ("POST", "{}/link/"),
    ("POST", "{}/complete/"),
]
# What differs between any two answers.
OWN = {"X-Request-ID", "RateLimit"}


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    settings.RATE_LIMITS = PLENTY


def summary_of(response: Any) -> tuple[int, str, dict[str, str]]:
    """Return all that an answer says but its own request id."""
    headers = {name: value for name, value in response.items() if name not in OWN}
    body = response.content.decode()
    if body:
        document = json.loads(body)
        body = body.replace(document["request_id"], "…")
    return response.status_code, body, headers


def ask(who: Visitor, method: str, path: str) -> Any:
    """Call an endpoint with all the proof that `who` has."""
    return who.generic(method, UPLOADS + path, **(who.named if who.uuid else {}))


def everything() -> Any:
    """All that must not change."""
    return (
        list(UploadedFile.objects.order_by("id").values()),
        list(UploadQuota.objects.order_by("session_id").values()),
        stored_keys(),
    )


def files_of(visitor: Visitor) -> list[UploadedFile]:
    """One file in each state that a row can be in."""
    for status in UploadStatus:
        upload = uploaded(visitor, pdf(status))
        UploadedFile.objects.filter(pk=upload.pk).update(status=status)
    return list(UploadedFile.objects.order_by("id"))


def assert_same_answers(who: Visitor, files: list[UploadedFile], status: int) -> None:
    """Check that each endpoint answers for each file as for an id that does not exist."""
    assert len(files) == len(UploadStatus)
    for method, path in ENDPOINTS:
        before = everything()

        unknown = summary_of(ask(who, method, path.format(uuid.uuid4())))
        answers = [summary_of(ask(who, method, path.format(upload.pk))) for upload in files]

        assert unknown[0] == status, (method, path)
        assert answers == len(files) * [unknown], (method, path)
        assert everything() == before, (method, path)


def expired(visitor: Visitor) -> None:
    """Let the session's time run out."""
    age_session(visitor.row, timedelta(days=31))
    assert visitor.current().status_code == 401


def ended(visitor: Visitor) -> None:
    """Let the visitor leave, and keep a copy of the token."""
    token = visitor.token
    visitor.end()
    visitor.cookies["maria_session"] = token


def revoked(visitor: Visitor) -> None:
    """Let staff end the session."""
    revoke_session(session=visitor.row, reason="test")


def reset(visitor: Visitor) -> None:
    """Let the visitor start again, and keep a copy of the old token."""
    first, token = visitor.uuid, visitor.token
    visitor.reset()
    visitor.uuid, visitor.cookies["maria_session"] = first, token


def test_t14_the_matrix_knows_every_endpoint() -> None:
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
def test_t14_another_session_finds_what_does_not_exist() -> None:
    a, b = started(), started()
    own = uploaded(b)
    files = files_of(a)
    log = events()

    assert_same_answers(b, [upload for upload in files if upload != own], 404)

    assert events() == log


@pytest.mark.usefixtures("db", "many_files")
@pytest.mark.parametrize("end", [expired, ended, revoked, reset])
def test_t14_a_session_that_is_over_reaches_nothing(end: Callable[[Visitor], None]) -> None:
    a = started()
    files = files_of(a)
    end(a)

    assert_same_answers(a, files, 401)


@pytest.mark.usefixtures("db", "many_files")
def test_t14_no_one_reaches_nothing() -> None:
    assert_same_answers(Visitor(), files_of(started()), 401)


@pytest.mark.usefixtures("db", "many_files")
def test_t14_naming_another_session_gives_no_access_to_it() -> None:
    a, b = started(), started()
    files = files_of(a)
    b.uuid = a.uuid

    assert_same_answers(b, files, 401)


@pytest.mark.usefixtures("db")
def test_t14_lists_of_others_are_empty_or_refused() -> None:
    a, b = started(), started()
    uploaded(a)

    assert b.get(UPLOADS).json()["results"] == []
    for who, reason in ((Visitor(), "session_required"), (_over(a), "session_invalid")):
        response = who.get(UPLOADS)
        assert (response.status_code, code(response)) == (401, reason)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("end", [expired, ended, revoked, reset])
def test_t14_a_session_that_is_over_stores_nothing(end: Callable[[Visitor], None]) -> None:
    a = started()
    uploaded(a)
    end(a)
    before = everything()

    response = a.upload()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert everything() == before


@pytest.mark.usefixtures("db")
def test_t14_no_one_stores_nothing() -> None:
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
def test_t14_an_id_that_is_none_is_not_found(visitor: Visitor, method: str, path: str) -> None:
    uploaded(visitor)
    before = everything()

    for strange in STRANGE:
        assert ask(visitor, method, path.format(strange)).status_code == 404, strange
        assert everything() == before, strange


def _over(visitor: Visitor) -> Visitor:
    expired(visitor)
    cache.clear()
    return visitor

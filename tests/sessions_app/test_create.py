"""POST sessions/: the answer, the stored row, and what a client cannot choose."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import CROCKFORD
from tests.cases import cases
from tests.helpers import BearerVisitor, Visitor, code, events, started
from tests.sessions_app.support import FIELDS, LIMITS

URL = "/api/v1/sessions/"


def create(visitor: Visitor, body: Any = None, **extra: Any) -> Any:
    return visitor.post(URL, body or {}, content_type="application/json", **extra)


def test_a_new_session_is_answered_stored_and_recorded(db: None) -> None:
    visitor = Visitor()

    response = visitor.start()

    assert response.status_code == 201
    answer = response.json()
    assert answer.keys() == FIELDS
    assert answer["limits"] == LIMITS
    row = UserSession.objects.get()
    assert answer["uuid"] == str(row.uuid)
    assert row.uuid.version == 4
    assert answer["support_code"] == row.support_code
    assert answer["status"] == row.status == "active"
    assert parse_datetime(answer["created_at"]) == row.created_at
    assert parse_datetime(answer["expires_at"]) == row.expires_at
    assert row.expires_at - row.created_at == timedelta(hours=24)
    assert (row.used_at, row.ended_at, row.end_reason, row.predecessor) == (None, None, "", None)

    event = AuditLog.objects.get()
    assert (event.event_type, event.outcome, event.actor) == (
        "session.created", "success", "visitor",
    )  # fmt: skip
    assert event.session_uuid == row.uuid
    assert event.request_id == response["X-Request-ID"]
    assert event.details == {"credential": "cookie", "support_code": row.support_code}


def test_times_are_utc_in_iso_8601(db: None) -> None:
    answer = Visitor().start().json()

    for name in ("created_at", "expires_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", answer[name])


def test_the_token_is_in_the_cookie_only(db: None) -> None:
    visitor = Visitor()
    response = visitor.start()

    assert re.fullmatch(r"mss1_[A-Za-z0-9_-]{43}", visitor.token)
    assert visitor.token not in response.content.decode()
    assert [name for name, value in response.items() if visitor.token in value] == []


def test_a_bearer_gets_the_token_in_the_body_only(db: None) -> None:
    visitor = BearerVisitor()
    response = visitor.start()

    assert response.status_code == 201
    assert response.json().keys() == FIELDS | {"token"}
    assert re.fullmatch(r"mss1_[A-Za-z0-9_-]{43}", visitor.token)
    assert response.content.decode().count(visitor.token) == 1
    assert not response.cookies
    assert [name for name, value in response.items() if visitor.token in value] == []
    assert AuditLog.objects.get().details["credential"] == "bearer"


def test_a_live_bearer_returns_the_same_session_without_its_token(db: None) -> None:
    visitor = started(BearerVisitor)
    before, token = UserSession.objects.values().get(), visitor.token

    response = visitor.start()

    assert (response.status_code, response.json().keys()) == (200, FIELDS)
    assert not response.cookies
    assert (UserSession.objects.values().get(), visitor.token) == (before, token)
    assert events() == ["session.created"]


def test_a_live_cookie_returns_the_same_session_and_writes_nothing(visitor: Visitor) -> None:
    before, token = UserSession.objects.values().get(), visitor.token

    response = visitor.start()

    assert response.status_code == 200
    assert response.json().keys() == FIELDS
    assert response.json()["uuid"] == str(before["uuid"])
    assert "Set-Cookie" not in response.headers
    assert response.cookies.output() == ""
    assert visitor.token == token
    assert UserSession.objects.values().get() == before
    assert events() == ["session.created"]


@pytest.mark.parametrize("how", ["ended", "revoked", "reset"])
def test_a_dead_cookie_gets_a_new_session(visitor: Visitor, how: str) -> None:
    old = visitor.row
    UserSession.objects.filter(pk=old.pk).update(status=how, ended_at=old.created_at)
    token = visitor.token

    response = visitor.start()

    assert response.status_code == 201
    assert response.json()["uuid"] != str(old.pk)
    assert visitor.token != token
    assert UserSession.objects.get(pk=old.pk).status == how
    assert UserSession.objects.count() == 2
    assert events() == ["session.created", "session.created"]


@cases(
    "junk",
    [
        "", "x", "mss1_", "mss1_" + "A" * 42, "mss1_" + "A" * 43, "mss1_" + "A" * 44,
        "mss2_" + "A" * 43, "mss1_" + "é" * 43, "mss1_" + "A" * 43 + "\n", "A" * 5000,
    ],
)  # fmt: skip
def test_t05_a_cookie_planted_before_creation_is_replaced(db: None, junk: str) -> None:
    visitor = Visitor()
    visitor.cookies["maria_session"] = junk

    response = visitor.start()

    assert response.status_code == 201
    assert visitor.token != junk
    assert visitor.current().json()["uuid"] == visitor.uuid
    assert UserSession.objects.count() == 1


@cases("key", ["uuid", "session_uuid", "id", "pk", "token", "token_hash", "support_code", "status"])
def test_t05_values_chosen_by_a_client_are_ignored(db: None, key: str) -> None:
    chosen = str(uuid.uuid4())

    response = create(Visitor(), {key: chosen}, headers={"X-Session-UUID": chosen})

    assert response.status_code == 201
    assert chosen not in response.content.decode()
    assert str(UserSession.objects.get().pk) == response.json()["uuid"] != chosen


@cases("credential", ["Bearer", "Cookie", "token", "", None, 1, ["cookie"], {}])
def test_other_credentials_than_cookie_and_bearer_are_refused(db: None, credential: Any) -> None:
    response = create(Visitor(), {"credential": credential})

    assert response.status_code == 400
    assert code(response) == "invalid_input"
    assert response.json()["errors"].keys() == {"credential"}
    assert not response.cookies
    assert not UserSession.objects.exists()
    assert events() == []


def test_the_cookie_credential_may_be_named_and_the_body_left_out(db: None) -> None:
    assert create(Visitor(), {"credential": "cookie"}).status_code == 201
    assert Visitor().generic("POST", URL).status_code == 201


def test_another_sessions_name_in_the_header_changes_nothing(visitor: Visitor) -> None:
    other = started()

    response = create(visitor, headers={"X-Session-UUID": other.uuid})

    assert response.status_code == 200
    assert response.json()["uuid"] == visitor.uuid


@pytest.mark.both
def test_an_existing_support_code_is_drawn_again(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = ["7F3K2QX9", "7F3K2QX9", "7F3K2QXA"]
    monkeypatch.setattr("sessions_app.uuid_helpers._draw_symbols", lambda: drawn.pop(0))

    first, second = Visitor().start(), Visitor().start()

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["support_code"].startswith("MAR-7F3-K2Q-X9")
    assert second.json()["support_code"].startswith("MAR-7F3-K2Q-XA")
    assert drawn == []
    assert events() == ["session.created", "session.created"]


def test_support_codes_that_always_exist_are_an_error_not_a_loop(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Visitor().start()
    taken = UserSession.objects.get().support_code.removeprefix("MAR-").replace("-", "")[:8]
    monkeypatch.setattr("sessions_app.uuid_helpers._draw_symbols", lambda: taken)
    visitor = Visitor(raise_request_exception=False)

    response = visitor.start()

    assert response.status_code == 500
    assert code(response) == "internal_error"
    assert set(taken) <= set(CROCKFORD)
    assert UserSession.objects.count() == 1
    assert events() == ["session.created"]

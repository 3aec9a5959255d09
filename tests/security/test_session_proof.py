"""Authentication: a UUID proves nothing, and each refusal discloses only what it must."""

import uuid
from typing import Any

import pytest

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import Visitor, code, events, started, stored_keys, uploaded
from tests.security.routes import Route, calls, named, state, visitor_calls
from tests.sessions_app.support import clone, end_as

# Endpoints that need no session. A new one must be added here with its reason.
PUBLIC = {
    ("POST", "/api/v1/sessions/"),  # creates a new session
    ("POST", "/api/v1/sessions/validate/"),  # checks a spelling
    ("POST", "/api/v1/sessions/recover/"),  # needs a recovery code instead of a proof
    ("GET", "/api/schema/"),
    ("HEAD", "/api/schema/"),
    ("GET", "/api/docs/"),
    ("HEAD", "/api/docs/"),
}
# The error code and the event of a request without proof: visitor routes and service routes.
NEEDED: dict[tuple[bool, bool], tuple[str, list[str]]] = {
    (True, False): ("session_required", ["session.refused"]),
    (False, True): ("service_key_required", ["service.refused"]),
    (False, False): ("not_authenticated", []),
}


def call(client: Visitor, route: Route, method: str, upload: Any = None, **extra: Any) -> Any:
    return client.generic(method, route.url(upload), **extra)


def test_t01_the_list_of_routes_is_complete() -> None:
    found = {(method, route.path) for route, method in calls()}

    assert found >= PUBLIC
    assert {
        ("GET", "/api/v1/sessions/current/"),
        ("DELETE", "/api/v1/sessions/current/"),
        ("POST", "/api/v1/sessions/current/reset/"),
        ("POST", "/api/v1/uploads/"),
        ("GET", "/api/v1/uploads/%(pk)s/"),
        ("DELETE", "/api/v1/uploads/%(pk)s/"),
        ("GET", "/api/v1/uploads/%(pk)s/download/"),
        ("GET", "/api/v1/audit-logs/%(pk)s/"),
    } <= found


@cases(("route", "method"), calls(), ids=named)
def test_t01_a_uuid_alone_never_authorises(visitor: Visitor, route: Route, method: str) -> None:
    upload = uploaded(visitor, name="private-name.pdf")
    row = visitor.row
    before, objects = state(), stored_keys()

    response = call(Visitor(), route, method, upload, **visitor.named)

    if (method, route.path) in PUBLIC:
        body = response.content if not response.streaming else b"".join(response)
        assert row.support_code.encode() not in body
        assert visitor.uuid.encode() not in body
        assert UserSession.objects.get(pk=row.pk) == row
        return
    assert response.status_code == 401
    needed, event = NEEDED[route.visitors, route.services]
    assert response["WWW-Authenticate"] == ("Bearer" if route.services else "Session")
    if method != "HEAD":
        assert code(response) == needed
        assert row.support_code not in response.content.decode()
    assert (state(), stored_keys()) == (before, objects)
    assert events() == ["session.created", "upload.stored", *event]


@cases(("route", "method"), visitor_calls(), ids=named)
def test_t09_a_mismatch_is_refused_and_changes_neither_session(
    visitor: Visitor, route: Route, method: str
) -> None:
    other = started()
    upload, _ = uploaded(visitor), uploaded(other)
    before, objects, logged = state(), stored_keys(), len(events())

    response = call(visitor, route, method, upload, **other.named)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Session"
    assert (state(), stored_keys()) == (before, objects)
    assert len(events()) == logged + 1
    refused = AuditLog.objects.get(event_type="session.refused")
    assert refused.session_uuid == visitor.row.pk
    assert refused.outcome == "denied"
    assert refused.details == {"code": "session_mismatch", "reason": None, "repeated": 0}
    assert other.uuid not in refused.text
    assert other.row.support_code not in refused.text
    if method != "HEAD":
        assert code(response) == "session_mismatch"
        assert response.json()["support_code"] == visitor.row.support_code
        assert other.uuid not in response.content.decode()
        assert other.row.support_code not in response.content.decode()


@cases(("route", "method"), visitor_calls(), ids=named)
@cases("names", ["unknown", "own upload"])
def test_t09_the_header_never_selects_a_row(
    visitor: Visitor, route: Route, method: str, names: str
) -> None:
    upload = uploaded(visitor)
    before = state()
    name = str(upload.pk) if names == "own upload" else str(uuid.uuid4())

    response = call(visitor, route, method, upload, headers={"X-Session-UUID": name})

    assert response.status_code == 401
    assert state() == before


@cases(("route", "method"), visitor_calls(), ids=named)
def test_t11_an_unknown_token_learns_nothing(db: None, route: Route, method: str) -> None:
    stranger = Visitor()
    stranger.cookies["maria_session"] = "mss1_" + "A" * 43

    response = call(stranger, route, method, headers={"X-Session-UUID": str(uuid.uuid4())})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Session"
    if method != "HEAD":
        assert code(response) == "session_invalid"
        assert response.json().keys() == {
            "type", "title", "status", "detail", "code", "request_id",
        }  # fmt: skip
    refused = AuditLog.objects.get()
    assert (refused.event_type, refused.session_uuid) == ("session.refused", None)
    assert refused.details == {"code": "session_invalid", "reason": None, "repeated": 0}


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_t11_a_known_token_learns_the_reason_and_the_lost_files(
    visitor: Visitor, make_staff: Any, how: str
) -> None:
    uploaded(visitor, name="Zeugnis März.pdf")
    old = clone(visitor)
    end_as(how, visitor, make_staff)

    response = old.current()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response["WWW-Authenticate"] == "Session"
    answer = response.json()
    assert answer["reason"] == how
    assert answer["support_code"] == old.row.support_code
    assert answer["lost"] == {"count": 1, "files": ["Zeugnis März.pdf"]}
    refused = AuditLog.objects.get(event_type="session.refused")
    assert refused.session_uuid == old.row.pk
    assert refused.details == {"code": "session_invalid", "reason": how, "repeated": 0}


@cases(("route", "method"), visitor_calls(), ids=named)
def test_t11_without_proof_a_session_is_required(db: None, route: Route, method: str) -> None:
    response = call(Visitor(), route, method)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Session"
    if method != "HEAD":
        assert code(response) == "session_required"
    refused = AuditLog.objects.get()
    assert (refused.event_type, refused.session_uuid) == ("session.refused", None)
    assert refused.details == {"code": "session_required", "reason": None, "repeated": 0}


@pytest.mark.parametrize("token", ["", "x", "mss1_short", "mss1_" + "A" * 44, '"quoted"'])
def test_t11_a_malformed_cookie_is_an_unknown_token(db: None, token: str) -> None:
    stranger = Visitor()

    response = stranger.get(
        "/api/v1/sessions/current/", headers={"Cookie": f"maria_session={token}"}
    )

    assert (response.status_code, code(response)) == (401, "session_invalid")


@cases(("route", "method"), visitor_calls(unsafe_only=True), ids=named)
def test_t07_a_change_needs_the_header(visitor: Visitor, route: Route, method: str) -> None:
    upload = uploaded(visitor)
    before, objects = state(), stored_keys()

    response = call(visitor, route, method, upload)

    assert (response.status_code, code(response)) == (403, "session_header_required")
    assert (state(), stored_keys()) == (before, objects)
    assert events() == ["session.created", "upload.stored", "session.refused"]


@pytest.mark.both
def test_a_malformed_header_is_recorded_with_the_proven_session(visitor: Visitor) -> None:
    before = state()

    response = visitor.get(
        "/api/v1/sessions/current/", headers={"X-Session-UUID": visitor.uuid.upper()}
    )

    assert (response.status_code, code(response)) == (400, "uuid_malformed")
    assert state() == before
    refused = AuditLog.objects.get(event_type="session.refused")
    assert refused.session_uuid == visitor.row.pk
    assert refused.details == {"code": "uuid_malformed", "reason": None, "repeated": 0}


def test_refusals_within_a_minute_are_one_row_with_a_count(visitor: Visitor) -> None:
    other = started()
    for _ in range(5):
        assert visitor.current(**other.named).status_code == 401
    assert Visitor().current().status_code == 401

    assert events().count("session.refused") == 2  # one row of each kind

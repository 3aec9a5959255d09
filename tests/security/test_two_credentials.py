"""Cookie or bearer: one of them works, two different tokens are refused."""

from typing import Any

import pytest
from django.core import mail
from django.test import Client

from sessions_app.models import UserSession
from sessions_app.services.recovery import issue_recovery_code
from tests.carriers import CARRIERS, CURRENT, SESSIONS, Carrier, Holder, begin
from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, started
from tests.security.routes import state
from tests.uploads_app.samples import FORM, UPLOADS, form, part

# Independent of the database.

NO_TOKEN = "mss1_" + "A" * 43
VALIDATE = "/api/v1/sessions/validate/"
# The tokens of a request: none, one of session A, one of session B.
COOKIES = ("none", "a", "b")
AUTHORIZATIONS = {
    "none": None,
    "a": "Bearer {a}",
    "a in lower case": "bearer {a}",
    "a in upper case": "BEARER {a}",
    "a after two spaces": "Bearer  {a}",
    "b": "Bearer {b}",
    "unknown": f"Bearer {NO_TOKEN}",
    "malformed": "Bearer nonsense",
    "empty bearer": "Bearer ",
    "bearer alone": "Bearer",
    "basic": "Basic bWFyaWE6c2VjcmV0",
    "token scheme": "Token {a}",
    "no scheme": "{a}",
    "empty": "",
}
IGNORED = {"none", "basic", "token scheme", "no scheme", "empty"}
REQUESTS: dict[str, tuple[str, str, bytes, str]] = {
    "read": ("GET", CURRENT, b"", ""),
    "files": ("GET", UPLOADS, b"", ""),
    "upload": ("POST", UPLOADS, form(part(pdf())), FORM),
    "identify": ("PATCH", CURRENT, b'{"name": "Ada"}', "application/json"),
    "end": ("DELETE", CURRENT, b"", ""),
}


def expected(cookie: str, authorization: str) -> str:
    """Return the accepted token, or the error code."""
    bearer = authorization.split(" ", maxsplit=1)[0] if authorization not in IGNORED else "none"
    if cookie == bearer == "none":
        return "session_required"
    if "none" not in (cookie, bearer) and cookie != bearer:
        return "credentials_differ"
    proof = bearer if cookie == "none" else cookie
    return proof if proof in ("a", "b") else "session_invalid"


def headers_of(a: Holder, b: Holder, cookie: str, authorization: str) -> dict[str, str]:
    tokens = {"a": a.token, "b": b.token}
    headers = {"Cookie": f"maria_session={tokens[cookie]}"} if cookie in tokens else {}
    template = AUTHORIZATIONS[authorization]
    if template is not None:
        headers["Authorization"] = template.format(**tokens)
    return headers


@cases("authorization", AUTHORIZATIONS)
@cases("cookie", COOKIES)
def test_t17_two_credentials(db: None, cookie: str, authorization: str) -> None:
    sessions = {"a": begin("cookie"), "b": begin("cookie")}
    headers = headers_of(sessions["a"], sessions["b"], cookie, authorization)
    wanted = expected(cookie, authorization)
    if wanted in sessions:
        headers["X-Session-UUID"] = sessions[wanted].uuid
    before, logged = state(), events()

    answers = [
        Client().generic(method, path, body, kind, headers=headers)
        for method, path, body, kind in REQUESTS.values()
    ]

    if wanted in sessions:
        assert [answer.status_code for answer in answers] == [200, 200, 201, 200, 204]
        assert answers[0].json()["uuid"] == sessions[wanted].uuid
        other = sessions["b" if wanted == "a" else "a"]
        assert events(other.uuid) == ["session.created"]
        return
    for answer in answers:
        assert (answer.status_code, code(answer)) == (401, wanted)
        assert answer["WWW-Authenticate"] == "Session"
        assert not answer.cookies
    assert state() == before
    assert events() == [*logged, "session.refused"]  # once a minute


def test_t17_the_matrix_reports_every_outcome() -> None:
    outcomes = {
        expected(cookie, authorization) for cookie in COOKIES for authorization in AUTHORIZATIONS
    }

    assert outcomes == {"a", "b", "session_required", "session_invalid", "credentials_differ"}


@pytest.mark.parametrize(
    ("path", "body"), [(SESSIONS, b"{}"), (VALIDATE, b'{"uuid": "%s"}')], ids=["create", "validate"]
)
def test_t17_two_credentials_where_no_proof_is_needed(db: None, path: str, body: bytes) -> None:
    """401; DRF would answer 403 in a view without authentication."""
    a, b = begin("cookie"), begin("bearer")
    before, logged = state(), events()

    response: Any = Client().post(
        path, body.replace(b"%s", a.uuid.encode()), "application/json",
        headers={"Cookie": f"maria_session={a.token}", **b.headers},
    )  # fmt: skip

    assert (response.status_code, code(response)) == (401, "credentials_differ")
    assert response["WWW-Authenticate"] == "Session"
    assert not response.cookies
    assert state() == before
    assert events() == [*logged, "session.refused"]


@pytest.mark.parametrize("requested", CARRIERS)
@pytest.mark.parametrize("carrier", CARRIERS)
def test_t17_creating_with_a_live_proof_returns_that_session_and_no_token(
    db: None, carrier: Carrier, requested: str
) -> None:
    holder = begin(carrier)
    before, logged = state(), events()

    response = holder.ask("POST", SESSIONS, {"credential": requested})

    assert response.status_code == 200
    assert response.json()["uuid"] == holder.uuid
    assert_no_token(response)
    assert (state(), events()) == (before, logged)


@pytest.mark.parametrize("requested", CARRIERS)
def test_t17_creating_with_a_dead_proof_creates_a_session_carried_as_requested(
    db: None, requested: Carrier
) -> None:
    dead = begin("bearer")
    assert dead.ask("DELETE", CURRENT).status_code == 204

    response = dead.ask("POST", SESSIONS, {"credential": requested})

    assert response.status_code == 201
    assert response.json()["uuid"] != dead.uuid
    assert Holder("", "", requested).following(response).current().status_code == 200


def test_t17_a_bearer_needs_no_header_but_a_wrong_one_is_a_mismatch(db: None) -> None:
    holder, other = begin("bearer"), begin("bearer")
    before = state()

    wrong = holder.ask("PATCH", CURRENT, {"name": "Ada"}, **{"X-Session-UUID": other.uuid})
    malformed = holder.ask("PATCH", CURRENT, {"name": "Ada"}, **{"X-Session-UUID": "nonsense"})

    assert (wrong.status_code, code(wrong)) == (401, "session_mismatch")
    assert (malformed.status_code, code(malformed)) == (400, "uuid_malformed")
    assert state() == before
    named = holder.ask("PATCH", CURRENT, {"name": "Ada"}, **{"X-Session-UUID": holder.uuid})
    assert named.status_code == 200


@cases(
    "origin",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
    ids=["foreign", "null", "cross-site"],
)
@cases("name", ["identify", "upload", "end"])
def test_t17_a_bearer_token_from_a_foreign_page_is_refused(
    db: None, name: str, origin: dict[str, str]
) -> None:
    method, path, body, kind = REQUESTS[name]
    holder = begin("bearer")
    before, logged = state(), events()

    response: Any = Client().generic(method, path, body, kind, headers={**holder.headers, **origin})

    assert (response.status_code, code(response)) == (403, "origin_not_allowed")
    assert (state(), events()) == (before, [*logged, "session.refused"])


@pytest.mark.parametrize("carrier", CARRIERS)
def test_t17_the_token_is_returned_only_the_way_it_is_carried(db: None, carrier: Carrier) -> None:
    holder = begin(carrier)

    for answer in life_of(holder):
        assert answer.status_code in (200, 201), answer.content
        holder = holder.following(answer)  # which asserts that the token came only one way
        assert holder.current().json()["uuid"] == holder.uuid
        assert_no_token(holder.current())


def life_of(holder: Holder) -> Any:
    """Yield every answer with a new token: PATCH, verify, reset, recovery."""
    first = holder.identify(email="ada@example.org")
    yield first
    holder = holder.following(first)
    assert holder.ask("POST", CURRENT + "email/").status_code == 202
    digits = mail.outbox[-1].subject.split(" ")[0]
    second = holder.ask("POST", CURRENT + "email/verify/", {"code": digits})
    yield second
    third = holder.following(second).ask("POST", CURRENT + "reset/", {})
    yield third
    session = UserSession.objects.get(pk=third.json()["uuid"])
    recovery = {"code": issue_recovery_code(session=session, reason="test")}
    yield Client().post(
        SESSIONS + "recover/", {**recovery, "credential": holder.carrier}, "application/json"
    )


def test_t17_the_same_token_in_both_places_is_accepted(visitor: Visitor) -> None:
    visitor.defaults["HTTP_AUTHORIZATION"] = f"Bearer {visitor.token}"

    assert visitor.current().json()["uuid"] == visitor.uuid
    assert visitor.upload().status_code == 201
    assert visitor.end().status_code == 204


def test_t17_a_refused_pair_is_recorded_once_a_minute(db: None) -> None:
    a, b = started(), begin("bearer")
    for _ in range(3):
        assert a.current(headers=b.headers).status_code == 401

    assert events().count("session.refused") == 1


def assert_no_token(response: Any) -> None:
    assert not response.cookies
    assert b"mss1_" not in response.content

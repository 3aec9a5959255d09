"""Assertions: for five minutes, only services can verify a visitor's session with one."""

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core import signing
from django.db.models import F
from django.utils import timezone

from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import Service, Visitor, age_session, code, events, started, uploaded
from tests.sessions_app.service_support import service
from tests.sessions_app.support import end_as

INACTIVE = b'{"active":false}'
LIFETIME = timedelta(minutes=5)


@pytest.fixture
def agent(db: None) -> Service:
    return service("sessions")


@pytest.fixture
def clock() -> Iterator[Any]:
    """A clock that stands still at a whole second, because signatures count seconds."""
    now = timezone.now().replace(microsecond=0)
    with time_machine.travel(now, tick=False) as traveller:
        yield traveller


def inactive(agent: Service, assertion: str) -> None:
    """Assert that an assertion is not active, in the same bytes for every reason."""
    before = list(UserSession.objects.order_by("pk").values())
    answer = agent.introspect(assertion)
    assert (answer.status_code, answer.content) == (200, INACTIVE)
    assert list(UserSession.objects.order_by("pk").values()) == before


@pytest.mark.both
def test_a_service_learns_whose_session_the_assertion_is(visitor: Visitor, agent: Service) -> None:
    answer = agent.introspect(visitor.assertion())

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "active": True,
        "uuid": visitor.uuid,
        "identity": "anonymous",
        "expires_at": visitor.current().json()["expires_at"],
    }
    assert events(visitor.uuid) == ["session.created"]  # a read writes no event


def test_the_answer_says_when_the_assertion_expires(visitor: Visitor) -> None:
    answer = visitor.post("/api/v1/sessions/current/assertion/", **visitor.named)

    assert answer.json().keys() == {"assertion", "expires_at"}
    left = timezone.datetime.fromisoformat(answer.json()["expires_at"]) - timezone.now()  # type: ignore[attr-defined]
    assert LIFETIME - timedelta(seconds=30) < left <= LIFETIME


@pytest.mark.parametrize(("seconds", "active"), [(299, True), (300, True), (301, False)])
def test_an_assertion_is_valid_for_five_minutes(
    visitor: Visitor, agent: Service, clock: Any, seconds: int, active: bool
) -> None:
    assertion = visitor.assertion()
    clock.shift(seconds)

    assert agent.introspect(assertion).json()["active"] is active


def test_an_assertion_can_be_used_more_than_once(visitor: Visitor, agent: Service) -> None:
    assertion = visitor.assertion()
    answers = [agent.introspect(assertion).content for _ in range(3)]
    assert len(set(answers)) == 1
    assert answers[0] != INACTIVE


def test_every_changed_assertion_is_refused(visitor: Visitor, agent: Service) -> None:
    assertion = visitor.assertion()
    for at in range(len(assertion)):
        other = "A" if assertion[at] != "A" else "B"
        # The last base64 symbol has unused bits: a change there does not change the signed bytes.
        answer = agent.introspect(assertion[:at] + other + assertion[at + 1 :])
        assert answer.content == INACTIVE, at


@cases(
    "assertion",
    ["x", ":", "::", "a:b:c", "é", "x" * 400, "mss1_" + "A" * 43, str(uuid.uuid4())],
    ids=["x", "colon", "colons", "parts", "latin", "longest", "token", "uuid"],
)
def test_a_text_that_we_did_not_sign_is_not_active(
    visitor: Visitor, agent: Service, assertion: str
) -> None:
    inactive(agent, assertion)


def test_an_unknown_session_is_not_active(agent: Service) -> None:
    signed = signing.dumps(str(uuid.uuid4()), salt="sessions_app.assertion")
    inactive(agent, signed)


def test_other_credentials_are_not_assertions(visitor: Visitor, agent: Service) -> None:
    upload = uploaded(visitor)
    link = visitor.post(f"/api/v1/uploads/{upload.pk}/link/", **visitor.named).json()["url"]
    for other in (visitor.token, visitor.uuid, visitor.row.support_code, agent.secret):
        inactive(agent, other)
    inactive(agent, link.partition("link=")[2])
    inactive(agent, signing.dumps(visitor.uuid))


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked", "erased"])
def test_a_session_that_is_over_is_not_active(
    visitor: Visitor, agent: Service, make_staff: Any, how: str
) -> None:
    assertion = visitor.assertion()
    if how == "erased":
        visitor.delete("/api/v1/sessions/current/?erase=true", **visitor.named)
    else:
        end_as(how, visitor, make_staff)

    inactive(agent, assertion)


@pytest.mark.parametrize(
    "body",
    [{}, {"assertion": ""}, {"assertion": "x" * 401}, {"assertion": 1.5e300}, {"token": "x"}],
)
def test_malformed_input_is_not_active(agent: Service, body: dict[str, Any]) -> None:
    answer = agent.post(
        "/api/v1/service/sessions/introspect/", body, content_type="application/json"
    )
    assert answer.content == INACTIVE or code(answer) == "invalid_input"


@pytest.mark.parametrize("assertion", ['"\\ud800"', '"\\u0000"'], ids=["surrogate", "nul"])
def test_undecodable_bytes_are_400(agent: Service, assertion: str) -> None:
    answer = agent.post(
        "/api/v1/service/sessions/introspect/",
        f'{{"assertion": {assertion}}}',
        content_type="application/json",
    )
    assert (answer.status_code, code(answer)) == (400, "malformed_body")


def test_introspection_counts_as_activity(visitor: Visitor, agent: Service) -> None:
    assertion = visitor.assertion()
    age_session(visitor.row, timedelta(minutes=2))
    aged = visitor.row

    body = agent.introspect(assertion).json()

    row = visitor.row
    assert row.expires_at > aged.expires_at + timedelta(minutes=1)
    assert row.last_seen_at > aged.last_seen_at
    assert timezone.datetime.fromisoformat(body["expires_at"]) == row.expires_at  # type: ignore[attr-defined]


def test_introspection_is_recorded_at_most_once_a_minute(visitor: Visitor, agent: Service) -> None:
    assertion = visitor.assertion()
    UserSession.objects.update(last_seen_at=F("last_seen_at") - timedelta(seconds=30))
    before = visitor.row

    agent.introspect(assertion)

    assert (visitor.row.last_seen_at, visitor.row.expires_at) == (
        before.last_seen_at,
        before.expires_at,
    )


def test_introspection_returns_the_identity_level(visitor: Visitor, agent: Service) -> None:
    def identity() -> str:
        body = agent.introspect(visitor.assertion()).json()
        assert "ada@example.org" not in str(body)  # services get no contact data
        level: str = body["identity"]
        return level

    assert identity() == "anonymous"
    visitor.patch(
        "/api/v1/sessions/current/",
        {"email": "ada@example.org"},
        "application/json",
        **visitor.named,
    )
    assert identity() == "identified"
    UserSession.objects.update(email_proven=True, completed_at=timezone.now())
    assert identity() == "completed"


def test_an_assertion_stays_valid_after_a_rotation(visitor: Visitor, agent: Service) -> None:
    assertion = visitor.assertion()
    visitor.patch("/api/v1/sessions/current/", {"name": "Ada"}, "application/json", **visitor.named)
    assert agent.introspect(assertion).json()["uuid"] == visitor.uuid


@pytest.mark.parametrize("method", ["get", "delete"])
def test_an_assertion_is_refused_at_visitors_endpoints(visitor: Visitor, method: str) -> None:
    assertion = visitor.assertion()
    stranger = Visitor(headers={"Authorization": f"Bearer {assertion}"})
    stranger.cookies["maria_session"] = assertion

    answer = getattr(stranger, method)("/api/v1/sessions/current/", **visitor.named)

    assert (answer.status_code, code(answer)) == (401, "session_invalid")
    assert visitor.current().status_code == 200


def test_an_assertion_is_refused_for_files_and_service_endpoints(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    assertion = visitor.assertion()

    linked = Visitor().get(f"/api/v1/uploads/{upload.pk}/download/?link={assertion}")
    assert linked.status_code == 401
    listed = Service(assertion).files(visitor.uuid)
    assert (listed.status_code, code(listed)) == (401, "service_key_invalid")


def test_issuing_an_assertion_needs_a_proof(visitor: Visitor) -> None:
    path = "/api/v1/sessions/current/assertion/"
    assert code(Visitor().post(path, **visitor.named)) == "session_required"
    assert code(visitor.post(path)) == "session_header_required"
    assert code(visitor.post(path, **started().named)) == "session_mismatch"
    foreign = {**visitor.named["headers"], "Origin": "https://evil.example"}
    assert code(visitor.post(path, headers=foreign)) == "origin_not_allowed"

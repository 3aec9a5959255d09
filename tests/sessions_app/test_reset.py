"""POST sessions/current/reset/: one new session, returned again to who repeats it with its key.

tests/security/test_who_may_repeat.py has the table of who may repeat what.
"""

from typing import Any

import pytest

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.helpers import BearerVisitor, Visitor, at_once, code, events, started, uploaded
from tests.sessions_app.support import FIELDS, LIMITS, clone, expire, revoke


def test_a_live_session_becomes_reset_and_its_successor_is_linked(visitor: Visitor) -> None:
    for name in ("a.pdf", "b.pdf"):
        uploaded(visitor, name=name)
    first, token = visitor.row, visitor.token

    response = visitor.reset(reason="not_me")

    assert response.status_code == 201
    answer = response.json()
    assert answer.keys() == FIELDS | {"previous"}
    assert answer["limits"] == LIMITS
    assert answer["previous"] == {
        "uuid": str(first.pk),
        "reason": "not_me",
        "lost": {"count": 2, "files": ["a.pdf", "b.pdf"]},
    }
    first.refresh_from_db()
    assert (first.status, first.end_reason) == ("reset", "not_me")
    assert first.ended_at is not None
    successor = visitor.row
    assert (successor.status, successor.predecessor) == ("active", first)
    assert visitor.token != token
    assert visitor.current().json()["used"] == {"files": 0, "bytes": 0}

    assert events(first.pk) == [
        "session.created", "upload.stored", "upload.stored", "session.reset",
    ]  # fmt: skip
    assert events(successor.pk) == ["session.created"]
    assert AuditLog.objects.get(event_type="session.reset").details == {
        "reason": "not_me",
        "from_status": "active",
        "successor": str(successor.pk),
        "lost_files": 2,
    }


def test_an_expired_session_stays_expired_and_gets_a_successor(visitor: Visitor) -> None:
    uploaded(visitor, name="a.pdf")
    expire(visitor)
    first = visitor.row

    response = visitor.reset(reason="expired")

    assert response.status_code == 201
    assert response.json()["previous"]["lost"] == {"count": 1, "files": ["a.pdf"]}
    ended = first.expires_at
    first.refresh_from_db()
    assert (first.status, first.end_reason, first.ended_at) == ("expired", "idle", ended)
    assert visitor.row.predecessor == first
    assert events(first.pk) == [
        "session.created", "upload.stored", "session.expired", "session.reset",
    ]  # fmt: skip
    assert AuditLog.objects.get(event_type="session.reset").details["from_status"] == "expired"


def test_a_session_without_files_loses_nothing(visitor: Visitor) -> None:
    answer = visitor.reset().json()

    assert answer["previous"]["reason"] == "requested"
    assert answer["previous"]["lost"] == {"count": 0, "files": []}


@pytest.mark.parametrize("kind", [Visitor, BearerVisitor])
@pytest.mark.parametrize("expired_first", [False, True])
def test_a_repeated_reset_returns_the_same_successor(
    db: None, kind: type[Visitor], expired_first: bool
) -> None:
    visitor = started(kind)
    uploaded(visitor, name="a.pdf")
    if expired_first:
        expire(visitor)
    again, first = clone(visitor), visitor.row
    lost = visitor.reset("k", reason="expired").json()

    answer = again.reset("k", reason="expired")

    assert answer.status_code == 201
    body = answer.json()
    assert (body["uuid"], body["previous"]) == (lost["uuid"], lost["previous"])
    assert again.token not in (visitor.token, "")
    assert visitor.current().status_code == 401  # the second answer replaced its token
    assert again.current().json()["uuid"] == lost["uuid"]
    assert UserSession.objects.count() == 2
    first.refresh_from_db()
    assert first.status == ("expired" if expired_first else "reset")
    assert events().count("session.reset") == 1
    assert events(lost["uuid"]) == ["session.created", "session.token_rotated"]


@pytest.mark.parametrize("expired_first", [False, True])
def test_the_old_token_is_refused_once_the_successor_was_used(
    visitor: Visitor, expired_first: bool
) -> None:
    if expired_first:
        expire(visitor)
    other_tab = clone(visitor)
    first = visitor.row
    visitor.reset("k")
    assert visitor.current().status_code == 200
    before = list(UserSession.objects.order_by("pk").values())

    response = other_tab.reset("k")

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response["WWW-Authenticate"] == "Session"
    assert response.json()["reason"] == ("expired" if expired_first else "reset")
    assert response.json()["support_code"] == first.support_code
    assert not response.cookies
    assert list(UserSession.objects.order_by("pk").values()) == before
    assert events().count("session.reset") == 1
    assert events()[-1] == "session.refused"


@pytest.mark.both
@pytest.mark.parametrize("expired_first", [False, True])
def test_concurrent_resets_with_one_key_create_one_successor_and_leave_one_token(
    committed: None, expired_first: bool
) -> None:
    visitor = started()
    if expired_first:
        expire(visitor)
    tabs = [clone(visitor) for _ in range(6)]

    answers = at_once(6, lambda n: tabs[n].reset("k"))

    assert [answer.status_code for answer in answers] == [201] * 6
    assert UserSession.objects.count() == 2
    successor = UserSession.objects.get(predecessor=visitor.row)
    assert {answer.json()["uuid"] for answer in answers} == {str(successor.pk)}
    assert len({tab.token for tab in tabs}) == 6
    assert sorted(tab.current().status_code for tab in tabs) == [200] + [401] * 5
    assert events(visitor.uuid).count("session.reset") == 1
    assert events(visitor.uuid).count("session.expired") == int(expired_first)
    assert events(successor.pk)[:6] == ["session.created", *["session.token_rotated"] * 5]


@pytest.mark.both
def test_of_concurrent_resets_without_a_key_one_succeeds(committed: None) -> None:
    visitor = started()
    tabs = [clone(visitor) for _ in range(6)]

    answers = at_once(6, lambda n: tabs[n].reset())

    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 5
    assert UserSession.objects.count() == 2
    assert events(visitor.uuid).count("session.reset") == 1


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "k" * 129])
def test_a_malformed_key_is_refused_and_nothing_changes(visitor: Visitor, key: str) -> None:
    before = UserSession.objects.values().get()
    headers = {"X-Session-UUID": visitor.uuid, "Idempotency-Key": key}

    response = visitor.send("sessions/current/reset/", headers=headers)

    assert (response.status_code, code(response)) == (400, "idempotency_key_malformed")
    assert UserSession.objects.values().get() == before


def test_ended_and_revoked_sessions_cannot_be_reset(visitor: Visitor, make_staff: Any) -> None:
    ended, revoked = clone(visitor), started()
    visitor.end()
    revoke(revoked, make_staff)

    for tab, reason in ((ended, "ended"), (revoked, "revoked")):
        response = tab.reset()
        assert (response.status_code, code(response)) == (401, "session_invalid")
        assert response.json()["reason"] == reason
    assert UserSession.objects.count() == 2
    assert "session.reset" not in events()


@pytest.mark.parametrize("reason", ["because", "", None, 7, ["requested"], "revoked"])
def test_other_reasons_are_refused_and_nothing_changes(visitor: Visitor, reason: Any) -> None:
    before = UserSession.objects.values().get()

    response = visitor.reset(reason=reason)

    assert (response.status_code, code(response)) == (400, "invalid_input")
    assert response.json()["errors"].keys() == {"reason"}
    assert UserSession.objects.values().get() == before
    assert events() == ["session.created"]


def test_a_chain_of_resets_can_be_followed(visitor: Visitor) -> None:
    uuids = [visitor.uuid]
    for _ in range(3):
        visitor.reset()
        uuids.append(visitor.uuid)

    row: UserSession | None = visitor.row
    followed = []
    while row:
        followed.append(str(row.pk))
        row = row.predecessor
    assert followed == uuids[::-1]

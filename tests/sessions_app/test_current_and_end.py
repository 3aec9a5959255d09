"""GET and DELETE sessions/current/: content, activity, end."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.dateparse import parse_datetime

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from tests.helpers import Visitor, age_session, at_once, code, events, pdf, started, uploaded
from tests.sessions_app.support import FIELDS, LIMITS, clone

# The identity of a visitor without contact data.
IDENTITY: dict[str, Any] = {
    "identity": "anonymous",
    "name": "",
    "email": "",
    "completed_at": None,
    "consent": {},
}


def test_current_returns_the_session_with_limits_and_use(visitor: Visitor) -> None:
    body = pdf()
    uploaded(visitor, body)

    response = visitor.current()

    assert response.status_code == 200
    answer = response.json()
    assert answer.keys() == FIELDS | {"last_seen_at", "used"} | IDENTITY.keys()
    assert {name: answer[name] for name in IDENTITY} == IDENTITY
    assert (answer["uuid"], answer["status"]) == (visitor.uuid, "active")
    assert answer["support_code"] == visitor.row.support_code
    assert answer["limits"] == LIMITS
    assert answer["used"] == {"files": 1, "bytes": len(body)}
    assert parse_datetime(answer["expires_at"]) == visitor.row.expires_at
    assert events() == ["session.created", "upload.stored"]


def test_reading_needs_no_header_and_takes_the_right_one(visitor: Visitor) -> None:
    assert visitor.current().status_code == 200
    assert visitor.current(**visitor.named).status_code == 200
    assert visitor.head("/api/v1/sessions/current/").status_code == 200


@pytest.mark.parametrize(("seconds", "written"), [(58, False), (61, True)])
def test_last_seen_is_written_at_most_once_a_minute(
    visitor: Visitor, seconds: int, written: bool
) -> None:
    age_session(visitor.row, timedelta(seconds=seconds))
    before = UserSession.objects.values().get()

    assert visitor.current().status_code == 200

    row = visitor.row
    assert (row.last_seen_at > before["last_seen_at"]) is written
    assert (row.expires_at > before["expires_at"]) is written
    assert row.expires_at == row.last_seen_at + timedelta(hours=24) or not written
    assert row.created_at == before["created_at"]
    assert events() == ["session.created"]


def test_a_first_file_gives_the_longer_idle_limit(visitor: Visitor) -> None:
    assert visitor.row.expires_at - visitor.row.created_at == timedelta(hours=24)

    uploaded(visitor)

    row = visitor.row
    assert row.used_at is not None
    assert row.expires_at == row.used_at + timedelta(days=7)


def test_a_refused_file_gives_no_longer_limit(visitor: Visitor) -> None:
    before = UserSession.objects.values().get()

    assert visitor.upload(b"no pdf").status_code == 415

    assert UserSession.objects.values().get() == before


def test_no_touch_extends_beyond_the_absolute_limit(visitor: Visitor) -> None:
    uploaded(visitor)
    for _ in range(4):
        age_session(visitor.row, timedelta(days=6))
        assert visitor.current().status_code == 200

    row = visitor.row
    assert row.expires_at == row.created_at + timedelta(days=30)


def test_an_ended_session_is_over_and_recorded(visitor: Visitor) -> None:
    uploaded(visitor)

    response = visitor.end()

    assert (response.status_code, response.content) == (204, b"")
    cookie = response.cookies["maria_session"]
    assert (cookie.value, cookie["max-age"], cookie["path"]) == ("", 0, "/")
    row = visitor.row
    assert (row.status, row.end_reason) == ("ended", "visitor")
    assert row.ended_at is not None
    assert events() == ["session.created", "upload.stored", "session.ended"]
    ended = AuditLog.objects.get(event_type="session.ended")
    assert (ended.session_uuid, ended.actor) == (row.uuid, "visitor")
    assert ended.details == {"lost_files": 1}
    assert visitor.current().status_code == 401


def test_ending_again_with_the_old_cookie_is_refused(visitor: Visitor) -> None:
    token = visitor.token
    visitor.end()
    before = UserSession.objects.values().get()
    visitor.cookies["maria_session"] = token

    response = visitor.end()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response.json()["reason"] == "ended"
    assert UserSession.objects.values().get() == before
    assert events() == ["session.created", "session.ended", "session.refused"]


@pytest.mark.both
def test_concurrent_ends_end_the_session_once_and_give_the_others_the_reason(
    committed: None,
) -> None:
    visitor = started()
    clones = [clone(visitor) for _ in range(6)]

    answers = at_once(6, lambda n: clones[n].end())

    assert sorted(a.status_code for a in answers) == [204, *[401] * 5]
    assert {a.json()["reason"] for a in answers if a.status_code == 401} == {"ended"}
    assert events(visitor.uuid).count("session.ended") == 1


@pytest.mark.parametrize("erase", ["perhaps", "", "2", "tru"])
def test_an_invalid_erase_parameter_ends_nothing(visitor: Visitor, erase: str) -> None:
    before = UserSession.objects.values().get()

    response = visitor.delete(f"/api/v1/sessions/current/?erase={erase}", **visitor.named)

    assert (response.status_code, code(response)) == (400, "invalid_input")
    assert response.json()["errors"].keys() == {"erase"}
    assert not response.cookies
    assert UserSession.objects.values().get() == before
    assert events() == ["session.created"]


def test_erase_false_ends_the_session(visitor: Visitor) -> None:
    response = visitor.delete("/api/v1/sessions/current/?erase=false", **visitor.named)

    assert response.status_code == 204
    assert (visitor.row.status, events()) == ("ended", ["session.created", "session.ended"])

"""Expiry: exact to the second by the database's clock, and recorded once."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app import tasks
from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import (
    SOAK,
    Visitor,
    age_session,
    at_once,
    code,
    events,
    started,
    stored_keys,
    uploaded,
)
from tests.sessions_app.support import clone, end_as, expire, move_to_expiry, revoke


def unused(visitor: Visitor) -> timedelta:
    row = visitor.row
    return row.expires_at - row.created_at


def idle(visitor: Visitor) -> timedelta:
    uploaded(visitor)
    row = visitor.row
    assert row.used_at
    return row.expires_at - row.used_at


def absolute(visitor: Visitor) -> timedelta:
    uploaded(visitor)
    for _ in range(4):
        age_session(visitor.row, timedelta(days=6, hours=12))
        assert visitor.current().status_code == 200
    row = visitor.row
    return row.expires_at - row.created_at


LIMITS = [
    (unused, timedelta(hours=24), "unused"),
    (idle, timedelta(days=7), "idle"),
    (absolute, timedelta(days=30), "absolute"),
]


@pytest.mark.both
@pytest.mark.parametrize(("live", "limit", "reason"), LIMITS)
def test_t15_a_second_before_its_limit_a_session_is_live(
    visitor: Visitor, live: Callable[[Visitor], timedelta], limit: timedelta, reason: str
) -> None:
    assert live(visitor) == limit
    move_to_expiry(visitor.row, 1)

    assert visitor.current().status_code == 200
    assert visitor.row.status == "active"
    assert "session.expired" not in events()


@cases(("live", "limit", "reason"), LIMITS)
@cases("sweep", ["read", "command", "task"])
def test_t15_a_second_after_its_limit_a_session_is_over(
    visitor: Visitor,
    live: Callable[[Visitor], timedelta],
    limit: timedelta,
    reason: str,
    sweep: str,
) -> None:
    assert live(visitor) == limit
    move_to_expiry(visitor.row, -1)
    due = visitor.row
    files = stored_keys()
    out = StringIO()

    if sweep == "command":
        call_command("expire_sessions", stdout=out)
        assert out.getvalue() == "1 session expired.\n"
    elif sweep == "task":
        assert tasks.expire_sessions() == 1
    response = visitor.current()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response.json()["reason"] == "expired"
    row = visitor.row
    assert (row.status, row.end_reason, row.ended_at) == ("expired", reason, due.expires_at)
    assert stored_keys() == files
    expired = AuditLog.objects.get(event_type="session.expired")
    assert (expired.session_uuid, expired.details) == (row.pk, {"reason": reason})
    actor = expired.actor.partition(":")[0]
    assert actor == {"read": "visitor", "command": "operator", "task": "system"}[sweep]


def test_the_sweep_expires_only_due_sessions(visitor: Visitor) -> None:
    due, used, ended = started(), started(), started()
    uploaded(used)
    ended.end()
    ended_at = UserSession.objects.get(pk=ended.uuid).ended_at
    for session in UserSession.objects.exclude(pk=visitor.uuid):
        age_session(session, timedelta(hours=25))

    assert tasks.expire_sessions() == 1
    assert tasks.expire_sessions() == 0

    statuses = {v: v.row.status for v in (visitor, due, used, ended)}
    assert list(statuses.values()) == ["active", "expired", "active", "ended"]
    assert ended_at is not None
    assert ended.row.ended_at == ended_at - timedelta(hours=25)
    assert events().count("session.expired") == 1


@pytest.mark.parametrize(("limit", "done"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_the_sweep_keeps_to_its_limit(db: None, limit: int, done: int) -> None:
    for _ in range(3):
        expire(started())
    out = StringIO()

    call_command("expire_sessions", limit=limit, stdout=out)

    assert out.getvalue() == f"{done} session{'' if done == 1 else 's'} expired.\n"
    assert UserSession.objects.filter(status="expired").count() == done
    assert events().count("session.expired") == done


@pytest.mark.both
@pytest.mark.parametrize("days", [-40, 40])
def test_the_web_hosts_clock_is_ignored(visitor: Visitor, days: int) -> None:
    late = started()
    expire(late)

    with time_machine.travel(timezone.now() + timedelta(days=days)):
        assert visitor.current().status_code == 200
        assert late.current().status_code == 401
        assert tasks.expire_sessions() == 0

    assert visitor.row.status == "active"
    assert events().count("session.expired") == 1


@pytest.mark.both
@pytest.mark.slow
def test_concurrent_reads_and_sweeps_record_the_expiry_once(committed: None, settings: Any) -> None:
    settings.RATE_LIMITS = {name: ["1000/m"] for name in settings.RATE_LIMITS}
    for _ in range(20 if SOAK else 5):
        visitor = started()
        tabs = [clone(visitor) for _ in range(6)]
        expire(visitor)

        def work(number: int, tabs: list[Visitor] = tabs) -> Any:
            return tasks.expire_sessions() if number % 3 == 2 else tabs[number].current()

        answers = [a for a in at_once(6, work) if not isinstance(a, int)]

        assert [answer.status_code for answer in answers] == [401] * 4
        assert {answer.json()["reason"] for answer in answers} == {"expired"}
        assert events(visitor.uuid).count("session.expired") == 1


@pytest.mark.parametrize("how", ["expired", "reset", "ended", "revoked"])
def test_t15_a_token_whose_session_is_over_stays_refused(
    visitor: Visitor, make_staff: Any, how: str
) -> None:
    old = clone(visitor)
    end_as(how, visitor, make_staff)

    first = old.current()
    row = old.row
    before = UserSession.objects.filter(pk=row.pk).values().get()
    for _ in range(2):
        response = old.current()
        assert (response.status_code, code(response)) == (401, "session_invalid")
        assert response.json()["reason"] == how == first.json()["reason"]
    assert old.upload().status_code == 401
    assert old.get("/api/v1/uploads/").status_code == 401
    tasks.expire_sessions()
    assert old.start().status_code == 201  # a new session, never the old one
    assert UserSession.objects.filter(pk=row.pk).values().get() == before
    assert stored_keys() == set()


def test_a_revoked_session_says_so_and_is_recorded(visitor: Visitor, make_staff: Any) -> None:
    uploaded(visitor, name="a.pdf")

    revoke(visitor, make_staff, "abuse of the form")

    answer = visitor.current().json()
    assert (answer["reason"], answer["lost"]) == ("revoked", {"count": 1, "files": ["a.pdf"]})
    assert (visitor.row.status, visitor.row.end_reason) == ("revoked", "abuse of the form")
    event = AuditLog.objects.get(event_type="session.revoked")
    assert event.actor.startswith("staff:")
    assert event.details == {"reason": "abuse of the form", "lost_files": 1}

"""Races of two requests for one session: the slower one acts on the state after the faster one.

Threads rarely meet at the worst moment; here `rival` arranges it.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from sessions_app import tasks
from sessions_app.models import UserSession
from tests.helpers import Visitor, code, events
from tests.sessions_app.support import clone, end_as, expire, revoke, rival

pytestmark = pytest.mark.both


def test_a_read_that_loses_to_the_sweep_is_refused(visitor: Visitor) -> None:
    expire(visitor)

    with rival(tasks.expire_sessions):
        response = visitor.current()

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response.json()["reason"] == "expired"
    assert events() == ["session.created", "session.expired", "session.refused"]


def test_a_read_that_loses_to_a_touch_is_accepted(visitor: Visitor) -> None:
    expire(visitor)
    later = timezone.now() + timedelta(hours=1)

    with rival(lambda: UserSession.objects.update(expires_at=later)):
        response = visitor.current()

    assert response.status_code == 200
    assert visitor.row.status == "active"
    assert events() == ["session.created"]


@pytest.mark.parametrize(
    ("slow", "how"),
    [
        (Visitor.reset, "ended"), (Visitor.reset, "revoked"),
        (Visitor.end, "reset"), (Visitor.end, "ended"), (Visitor.end, "revoked"),
    ],
    ids=["reset-ended", "reset-revoked", "end-reset", "end-ended", "end-revoked"],
)  # fmt: skip
def test_a_change_that_loses_to_an_end_is_refused_with_its_reason(
    visitor: Visitor, make_staff: Any, slow: Callable[[Visitor], Any], how: str
) -> None:
    tab, staff = clone(visitor), make_staff("Support")

    with rival(lambda: end_as(how, visitor, lambda _: staff)):
        response = slow(tab)

    assert (response.status_code, code(response)) == (401, "session_invalid")
    assert response.json()["reason"] == how
    first = UserSession.objects.get(predecessor=None)
    assert first.status == how
    assert UserSession.objects.count() == (2 if how == "reset" else 1)
    endings = {"session.reset", "session.ended", "session.revoked"}
    assert [event for event in events() if event in endings] == [f"session.{how}"]


def test_a_reset_that_loses_to_a_reset_returns_the_same_successor(visitor: Visitor) -> None:
    tab = clone(visitor)

    with rival(lambda: visitor.reset("k", reason="expired")):
        response = tab.reset("k")

    assert (response.status_code, tab.uuid) == (201, visitor.uuid)
    first = UserSession.objects.get(predecessor=None)
    assert (first.status, first.end_reason) == ("reset", "expired")
    assert UserSession.objects.count() == 2
    assert events().count("session.reset") == 1


def test_staff_who_lose_to_the_visitor_get_a_message(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")

    with rival(visitor.end):
        revoke(visitor, lambda _: staff)

    assert UserSession.objects.get().status == "ended"
    assert "session.revoked" not in events()

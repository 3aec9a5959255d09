"""Refusals have their own transaction, and repeated ones become one row a minute with a count."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.db import transaction
from django.utils import timezone

from audit_app import events as audit_events
from audit_app.models import AuditLog
from audit_app.services import Refusal, record_refusal
from sessions_app import events as session_events
from tests.helpers import Visitor, at_once, code, events

BAD_TOKEN = "mss1_" + "x" * 43


def refusals() -> list[Any]:
    """Return the details of each refusal in the order of writing."""
    rows = AuditLog.objects.filter(event_type="session.refused").order_by("id")
    return [row.details for row in rows]


def test_a_refusal_is_a_row_with_its_reason(db: None) -> None:
    assert code(Visitor().current()) == "session_required"
    row = AuditLog.objects.get()
    assert (row.event_type, row.outcome, row.actor) == ("session.refused", "denied", "visitor")
    assert row.details == {"code": "session_required", "reason": None, "repeated": 0}


def test_a_refusal_of_a_known_session_is_in_its_history(visitor: Visitor) -> None:
    ended, token = visitor.uuid, visitor.token
    visitor.end()
    visitor.cookies["maria_session"] = token
    assert code(visitor.current()) == "session_invalid"
    assert events(ended) == ["session.created", "session.ended", "session.refused"]
    assert refusals() == [{"code": "session_invalid", "reason": "ended", "repeated": 0}]


def test_t51_many_refusals_of_a_minute_are_one_row(db: None) -> None:
    for _ in range(20):
        assert code(Visitor().current()) == "session_required"
    assert [said["repeated"] for said in refusals()] == [0]


@pytest.mark.usefixtures("cache_in_step")
@pytest.mark.parametrize(("seconds", "rows"), [(59, 1), (60, 2), (61, 2)])
def test_t51_the_next_row_counts_the_refusals_before_it(db: None, seconds: int, rows: int) -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(8):
            Visitor().current()
        clock.shift(seconds)
        Visitor().current()
    assert [said["repeated"] for said in refusals()] == [0, 7][:rows]


@pytest.mark.usefixtures("cache_in_step")
def test_t51_every_refusal_is_in_some_row(db: None) -> None:
    refusal = Refusal(audit_events.STAFF_SIGN_IN_FAILED)
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for number in range(1000):
            record_refusal(refusal)
            clock.shift(1 if number % 2 else 0)
        clock.shift(60)
        record_refusal(refusal)
    rows = AuditLog.objects.all()
    assert len(rows) + sum(row.details["repeated"] for row in rows) == 1001
    assert len(rows) <= 10


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Refusal(session_events.REFUSED, kind="a"), Refusal(session_events.REFUSED, kind="b")),
        (Refusal(session_events.REFUSED), Refusal(audit_events.STAFF_SIGN_IN_FAILED)),
        (
            Refusal(session_events.REFUSED, session_uuid=uuid.uuid4()),
            Refusal(session_events.REFUSED, session_uuid=uuid.uuid4()),
        ),
    ],
    ids=["kind", "event", "session"],
)
def test_different_refusals_are_counted_separately(db: None, one: Refusal, other: Refusal) -> None:
    assert record_refusal(one)
    assert record_refusal(other)
    assert record_refusal(one) is None
    assert record_refusal(other) is None
    assert AuditLog.objects.count() == 2


@pytest.mark.parametrize(
    ("one", "other", "rows"),
    [
        ("203.0.113.1", "203.0.113.2", 2),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", 1),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", 2),
    ],
)
def test_refusals_are_counted_by_client(db: None, one: str, other: str, rows: int) -> None:
    Visitor(REMOTE_ADDR=one).current()
    Visitor(REMOTE_ADDR=other).current()
    assert len(refusals()) == rows


@pytest.mark.both
def test_a_refusal_does_not_need_a_transaction(committed: None) -> None:
    assert not transaction.get_connection().in_atomic_block
    assert code(Visitor().current()) == "session_required"
    assert len(refusals()) == 1


def test_a_refusal_outlives_the_rollback_it_caused(visitor: Visitor) -> None:
    for number in range(3):
        assert visitor.upload(name=f"{number}.pdf").status_code == 201
    assert code(visitor.upload()) == "quota_exceeded"
    assert events(visitor.uuid)[-1] == "upload.quota_exceeded"


class CountsMeanwhile(LocMemCache):
    """A cache in which another thread counts a refusal right after the counter was read."""

    meanwhile: Refusal | None = None

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        value = super().get(key, default, version)
        refusal, CountsMeanwhile.meanwhile = CountsMeanwhile.meanwhile, None
        if refusal and str(key).startswith("refused:"):
            record_refusal(refusal)
        return value


def test_t51_a_refusal_while_a_row_is_written_is_counted(db: None, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.CountsMeanwhile", "LOCATION": "race"}}
    refusal = Refusal(audit_events.STAFF_SIGN_IN_FAILED)
    try:
        with time_machine.travel(timezone.now(), tick=False) as clock:
            for _ in range(3):
                record_refusal(refusal)
            clock.shift(61)
            CountsMeanwhile.meanwhile = refusal
            record_refusal(refusal)
            clock.shift(61)
            record_refusal(refusal)
        rows = AuditLog.objects.order_by("id")
        assert [row.details["repeated"] for row in rows] == [0, 2, 1]
    finally:
        cache.clear()


@pytest.mark.both
@pytest.mark.usefixtures("cache_in_step")
def test_t51_concurrent_refusals_are_one_row_and_an_exact_count(
    committed: None,
) -> None:
    refusal = Refusal(audit_events.STAFF_SIGN_IN_FAILED)
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        at_once(64, lambda _: record_refusal(refusal), threads=8)
    with time_machine.travel(now + timedelta(seconds=61), tick=False):
        record_refusal(refusal)
    rows = AuditLog.objects.order_by("id")
    assert [row.details["repeated"] for row in rows] == [0, 63]


def test_invalid_input_is_not_a_refusal(visitor: Visitor) -> None:
    before = events()
    assert visitor.reset(reason="no such reason").status_code == 400
    assert visitor.get("/api/v1/uploads/none/").status_code == 404
    assert events() == before

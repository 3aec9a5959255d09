"""Rate limits: exact, shown in headers, counted for each client or session."""

import re
from datetime import timedelta
from typing import Any

import hypothesis
import hypothesis.strategies as st
import pytest
from django.conf import settings as project
from django.core.cache import cache

from audit_app.models import AuditLog
from tests.helpers import (
    SOAK,
    Visitor,
    code,
    events,
    pdf,
    started,
    stored_keys,
    uploaded,
)
from tests.security.limited import (
    BY_CLIENT,
    BY_SESSION,
    CALLS,
    Call,
    clock,
    create,
    current,
    failed_proof,
    limit,
    upload,
    validate,
)
from tests.security.routes import state

__all__ = ["clock", "limit"]  # fixtures

pytestmark = pytest.mark.both

DEFAULTS = {
    "create": ["30/m", "600/h"],
    "validate": ["60/m"],
    "failed_proof": ["60/m"],
    "session": ["300/m"],
    "revision": ["120/m"],
    "staff_search": ["30/10m"],
    "upload": ["20/m"],
    "recover": ["10/h"],
    "export": ["10/h"],
    "email": ["6/h"],
    "service": ["1200/m"],
}


def test_t75_the_limits_are_those_of_the_contract() -> None:
    assert project.RATE_LIMITS == DEFAULTS


@pytest.mark.parametrize("call", CALLS, ids=str)
@pytest.mark.parametrize("count", [2, 3, 4])
def test_t75_just_under_at_and_over_the_limit(
    visitor: Visitor, limit: Any, call: Call, count: int
) -> None:
    limit(call.limit, "3/m")

    answers = [call.ask(visitor, "192.0.2.1") for _ in range(count)]

    assert [a.status_code for a in answers] == ([call.good] * 3 + [429])[:count]
    assert events().count("ratelimit.exceeded") == max(0, count - 3)


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_t75_a_refusal_says_when_to_retry_and_changes_nothing(
    visitor: Visitor, limit: Any, clock: Any, call: Call
) -> None:
    limit(call.limit, "3/m")
    for _ in range(3):
        call.ask(visitor, "192.0.2.1")
    before, objects = state(), stored_keys()

    response = call.ask(visitor, "192.0.2.1")

    assert (response.status_code, code(response)) == (429, "rate_limited")
    wait = int(response["Retry-After"])
    assert 1 <= wait <= 60
    assert response["RateLimit-Policy"].split(", ")[-1] == f'"{call.limit}-60s";q=3;w=60'
    assert response["RateLimit"].split(", ")[-1] == f'"{call.limit}-60s";r=0;t={wait}'
    assert response.json()["detail"] == (
        "Too many requests: wait as long as Retry-After says, then try again."
    )
    assert (state(), stored_keys()) == (before, objects)
    row = AuditLog.objects.get(event_type="ratelimit.exceeded")
    assert row.outcome == "denied"
    assert row.details == {"limit": f"{call.limit}-60s", "repeated": 0}
    assert row.session_uuid == (None if call in BY_CLIENT else visitor.row.pk)

    clock.shift(timedelta(seconds=wait))
    assert call.ask(visitor, "192.0.2.1").status_code == call.good


@pytest.mark.parametrize("offset", range(0, 60, 7))
def test_t75_after_retry_after_the_next_call_succeeds_wherever_the_window_stands(
    db: None, limit: Any, clock: Any, offset: int
) -> None:
    limit("validate", "1/m")
    clock.shift(timedelta(seconds=offset, milliseconds=950))
    visitor = Visitor()
    visitor.uuid = "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"
    validate(visitor, "192.0.2.1")

    wait = int(validate(visitor, "192.0.2.1")["Retry-After"])
    clock.shift(timedelta(seconds=wait))

    assert validate(visitor, "192.0.2.1").status_code == 200


def test_t75_headers_report_what_is_left_of_each_rate(db: None, limit: Any) -> None:
    limit("create", "3/m", "5/h")
    visitor = Visitor()

    first, second = create(visitor, "192.0.2.1"), create(visitor, "192.0.2.1")

    assert first["RateLimit-Policy"] == '"create-60s";q=3;w=60, "create-3600s";q=5;w=3600'
    assert re.fullmatch(r'"create-60s";r=1;t=\d+, "create-3600s";r=3;t=\d+', second["RateLimit"])


def test_t75_the_longer_window_still_limits_when_the_shorter_is_over(
    db: None, limit: Any, clock: Any
) -> None:
    limit("create", "3/m", "5/h")
    visitor = Visitor()
    # A window of an hour of which at least some minutes are left.
    clock.shift(timedelta(seconds=_left(create(Visitor(), "192.0.2.1"), "create-3600s")))
    statuses = []
    for _ in range(2):
        statuses += [create(visitor, "192.0.2.1").status_code for _ in range(3)]
        clock.shift(timedelta(seconds=61))

    assert statuses == [201, 201, 201, 201, 201, 429]
    refused = AuditLog.objects.get(event_type="ratelimit.exceeded")
    assert refused.details["limit"] == "create-3600s"


def _left(response: Any, policy: str) -> int:
    found = re.search(rf'"{policy}";r=\d+;t=(\d+)', response["RateLimit"])
    assert found
    return int(found[1])


@pytest.mark.parametrize("call", BY_CLIENT, ids=str)
def test_t75_one_clients_limit_does_not_affect_another(
    visitor: Visitor, limit: Any, call: Call
) -> None:
    limit(call.limit, "2/m")
    for _ in range(5):
        call.ask(visitor, "192.0.2.1")

    assert call.ask(visitor, "192.0.2.1").status_code == 429
    assert call.ask(visitor, "192.0.2.2").status_code == call.good
    assert call.ask(visitor, "2001:db8::1").status_code == call.good


@pytest.mark.parametrize("call", BY_SESSION, ids=str)
def test_t75_visitors_behind_one_address_do_not_share_a_limit(
    visitor: Visitor, limit: Any, call: Call
) -> None:
    limit(call.limit, "2/m")
    other = started()
    for _ in range(5):
        call.ask(visitor, "192.0.2.1")

    assert call.ask(visitor, "192.0.2.1").status_code == 429
    assert call.ask(other, "192.0.2.1").status_code != 429
    assert call.ask(visitor, "192.0.2.9").status_code == 429  # another address does not help


def test_t75_each_session_over_its_limit_has_a_row_of_its_own(visitor: Visitor, limit: Any) -> None:
    limit("session", "2/m")
    other = started()
    for _ in range(5):
        current(visitor, "192.0.2.1")
        current(other, "192.0.2.1")

    rows = AuditLog.objects.filter(event_type="ratelimit.exceeded")
    assert {row.session_uuid for row in rows} == {visitor.row.pk, other.row.pk}
    assert len(rows) == 2


@pytest.mark.usefixtures("cache_in_step")
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_t75_a_burst_of_refusals_is_one_row_a_minute_and_then_a_count(
    visitor: Visitor, limit: Any, clock: Any, call: Call
) -> None:
    limit(call.limit, "2/m")
    rows = AuditLog.objects.filter(event_type="ratelimit.exceeded").order_by("id")
    for _ in range(10):
        last = call.ask(visitor, "192.0.2.1")
    assert last.status_code == 429
    assert [row.details["repeated"] for row in rows.all()] == [0]

    clock.shift(timedelta(seconds=61))
    for _ in range(4):
        last = call.ask(visitor, "192.0.2.1")

    assert last.status_code == 429
    assert [row.details["repeated"] for row in rows.all()] == [0, 7]


def test_t75_reads_and_uploads_have_separate_limits(visitor: Visitor, limit: Any) -> None:
    limit("upload", "1/m")
    upload(visitor, "192.0.2.1")

    assert upload(visitor, "192.0.2.1").status_code == 429
    assert current(visitor, "192.0.2.1").status_code == 200
    assert visitor.get("/api/v1/uploads/").status_code == 200


def test_t75_a_rate_limited_upload_stores_nothing(visitor: Visitor, limit: Any) -> None:
    limit("upload", "1/m")
    uploaded(visitor)
    objects = stored_keys()

    assert visitor.upload(pdf("second")).status_code == 429

    assert stored_keys() == objects
    assert visitor.current().json()["used"]["files"] == 1


def test_t75_failed_proofs_of_others_do_not_lock_out_a_good_one(
    visitor: Visitor, limit: Any
) -> None:
    """domain.md: five hundred people behind one address never lock each other out."""
    limit("failed_proof", "3/m")
    for _ in range(4):
        last = failed_proof(visitor, "127.0.0.1")
    assert last.status_code == 429

    assert visitor.current().status_code == 200


@pytest.mark.parametrize("before", [0, 1, 3, 9])
def test_t76_at_a_windows_edge_at_most_twice_the_limit_passes(
    visitor: Visitor, limit: Any, clock: Any, before: int
) -> None:
    limit("validate", "3/m")
    clock.shift(timedelta(seconds=_left(validate(Visitor(), "192.0.2.1"), "validate-60s") - 1))
    visitor.uuid = "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"
    statuses = [validate(visitor, "192.0.2.1").status_code for _ in range(before)]
    clock.shift(timedelta(seconds=1))

    statuses += [validate(visitor, "192.0.2.1").status_code for _ in range(9)]
    assert statuses.count(200) == min(before, 2) + 3  # one request was used to find the edge
    clock.shift(timedelta(seconds=58))
    assert validate(visitor, "192.0.2.1").status_code == 429


@hypothesis.given(
    pauses=st.lists(st.integers(0, 40), min_size=10, max_size=50 if SOAK else 25),
    start=st.integers(0, 59),
)
@hypothesis.settings(
    max_examples=300 if SOAK else 4,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
def test_t76_no_minute_sees_more_than_twice_the_limit(
    db: None, settings: Any, clock: Any, pauses: list[int], start: int
) -> None:
    cache.clear()
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "validate": ["3/m"]}
    visitor = Visitor()
    visitor.uuid = "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"
    clock.shift(timedelta(seconds=start))
    now, passed = 0, []
    for pause in pauses:
        now += pause
        clock.shift(timedelta(seconds=pause))
        if validate(visitor, "192.0.2.1").status_code == 200:
            passed.append(now)

    assert passed  # the first request is always within the limit
    for first in passed:
        assert sum(first <= moment < first + 60 for moment in passed) <= 6

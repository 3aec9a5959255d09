"""Floods of refusals and of new sessions: bounded rows, and no cost that grows with the table.

The clock stands still during a flood, so that the number per minute is exact
and the speed of the machine does not matter.
"""

import ipaddress
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.models import Consent, UserSession
from sessions_app.services import sessions
from tests.helpers import SOAK, Visitor, age_session, at_once, code, started
from tests.uploads_app.cleanup.cleanup_support import many

pytestmark = pytest.mark.slow

REFUSED = 100_000 if SOAK else 640
MINUTES = 2
CREATED = 100_000 if SOAK else 200
ROWS = 100_000 if SOAK else 6_000
THREADS = 4
ADDRESSES = ("192.0.2.1", "2001:db8::1")
UNKNOWN_TOKEN = "mss1_" + "A" * 43
TABLE = UserSession._meta.db_table


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


_own = threading.local()


def somebody(address: object, token: str = "", uuid: str = "") -> Visitor:
    """Return this thread's client under another address; creating a new client is slow."""
    client: Visitor = _own.__dict__.setdefault("client", Visitor())
    client.cookies.clear()
    if token:
        client.cookies["maria_session"] = token
    client.uuid = uuid
    client.defaults["REMOTE_ADDR"] = str(address)
    return client


def floods() -> list[Callable[[], Any]]:
    """Return refused requests that are recorded: eight kinds by client and reason."""
    visitor, other = started(), started()
    first, second = ADDRESSES

    def required(address: str) -> Any:
        return somebody(address).current()

    def invalid(address: str) -> Any:
        return somebody(address, UNKNOWN_TOKEN).current()

    def limited(address: str) -> Any:
        body = {"uuid": visitor.uuid}
        path = "/api/v1/sessions/validate/"
        return somebody(address).post(path, body, content_type="application/json")

    def mismatch() -> Any:
        client = somebody(first, visitor.token, other.uuid)
        return client.current(**client.named)

    return [
        partial(required, first), partial(required, second),
        partial(invalid, first), partial(invalid, second),
        partial(limited, first), partial(limited, second),
        mismatch,
        lambda: somebody(first, visitor.token, visitor.uuid).upload(b"no pdf"),
    ]  # fmt: skip


@pytest.mark.timeout(3600 if SOAK else 300)
def test_t51_a_flood_of_refusals_is_one_row_a_minute_per_kind_with_an_exact_count(
    committed: None, settings: Any, clock: Any
) -> None:
    plenty = {name: [f"{10 * REFUSED}/m"] for name in settings.RATE_LIMITS}
    settings.RATE_LIMITS = {**plenty, "validate": ["1/m"]}
    kinds = floods()
    refused: Counter[str] = Counter()

    def ask(number: int) -> str | None:
        response = kinds[number % len(kinds)]()
        return None if response.status_code == 200 else code(response)

    for _ in range(MINUTES):
        refused.update(filter(None, at_once(REFUSED // MINUTES, ask, threads=THREADS)))
        clock.shift(61)
    rows = recorded()
    assert len(rows) == len(kinds) * MINUTES
    assert len(rows) <= REFUSED / 40
    assert sum(refused.values()) > 0.99 * REFUSED

    # The next row of a kind has the count of the last minute.
    refused.update(filter(None, (ask(number) for number in range(2 * len(kinds)))))
    counted: Counter[str] = Counter()
    for row in recorded():
        counted[kind(row)] += 1 + row.details["repeated"]
    still_open = len(kinds) - len(ADDRESSES)  # sent twice just now: one row, and one in the cache
    assert sum(counted.values()) + still_open == sum(refused.values())
    for name in ("session_required", "session_invalid", "session_mismatch", "type_not_allowed"):
        assert 0 < refused[name] - counted[name] <= len(ADDRESSES)
    assert counted["rate_limited"] == refused["rate_limited"]


def recorded() -> list[AuditLog]:
    """Return the rows of refusals."""
    return list(AuditLog.objects.filter(outcome="denied"))


def kind(row: AuditLog) -> str:
    """Return the error code of an answer."""
    return str(row.details.get("code", "rate_limited"))


def create(address: object) -> int:
    status: int = somebody(address).start().status_code
    return status


@pytest.mark.both
@pytest.mark.timeout(3600 if SOAK else 300)
def test_t84_one_network_gets_no_more_sessions_than_its_limit(
    committed: None, clock: Any, settings: Any
) -> None:
    """From any number of addresses of its /64."""
    network = ipaddress.ip_network("2001:db8:7::/64")
    # Redis ends windows by its own clock, also that of one refusal a minute.
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["30/d"]}

    statuses = at_once(CREATED, lambda n: create(network[n * 997]), threads=THREADS)

    assert Counter(statuses) == {201: 30, 429: CREATED - 30}
    assert UserSession.objects.count() == 30
    assert 1 <= len(recorded()) <= (CREATED - 30) / 40
    assert AuditLog.objects.count() == 30 + len(recorded())


@pytest.mark.timeout(3600 if SOAK else 300)
def test_t84_each_network_gets_its_own_limit(db: None, clock: Any) -> None:
    networks = CREATED // 40

    statuses = [create(f"10.{n % networks // 250}.{n % networks % 250}.1") for n in range(CREATED)]

    assert Counter(statuses) == {201: 30 * networks, 429: CREATED - 30 * networks}
    assert UserSession.objects.count() == 30 * networks
    refusals = AuditLog.objects.filter(event_type="ratelimit.exceeded").count()
    assert refusals == networks


@pytest.mark.both
@pytest.mark.timeout(3600 if SOAK else 300)
def test_t84_unused_sessions_are_swept_in_bounded_batches(db: None) -> None:
    kept = started()
    many(ROWS // 5, age=timedelta(hours=1), objects=False, per_session=1)
    UserSession.objects.exclude(pk=kept.uuid).update(expires_at=timezone.now())
    limit = ROWS // 10
    done: list[int] = []

    while not done or done[-1]:
        with CaptureQueriesContext(connection) as captured:
            call_command("expire_sessions", limit=limit, stdout=(out := StringIO()))
        done.append(int(out.getvalue().split()[0]))
        reads = [q["sql"] for q in captured if q["sql"].startswith("SELECT") and TABLE in q["sql"]]
        assert len(reads) <= limit // sessions.SWEEP_BATCH + 2
        assert all(_limit(sql) <= sessions.SWEEP_BATCH for sql in reads)

    assert done == [limit, limit, 0]
    assert UserSession.objects.filter(status="active").get() == kept.row
    assert AuditLog.objects.filter(event_type="session.expired").count() == ROWS // 5


def _limit(sql: str) -> int:
    found = re.search(r"LIMIT (\d+)$", sql)
    assert found, sql
    return int(found[1])


@pytest.mark.both
def test_t84_an_unused_session_expires_a_day_after_it_was_seen(db: None) -> None:
    just, over = started(), started()
    age_session(just.row, timedelta(hours=23, minutes=59))
    age_session(over.row, timedelta(hours=24, seconds=1))

    assert sessions.expire_due_sessions(limit=10) == 1

    assert (just.row.status, over.row.status) == ("active", "expired")
    assert over.row.end_reason == "unused"


@pytest.mark.timeout(3600 if SOAK else 300)
@pytest.mark.both
def test_t84_the_cost_of_a_request_does_not_grow_with_the_table(db: None) -> None:
    def creates() -> None:
        assert Visitor().start().status_code == 201

    visitor = started()
    due = sessions.expire_due_sessions
    works: list[Callable[[], Any]] = [creates, visitor.current, lambda: due(limit=10)]
    before = [queries(work) for work in works]
    many(ROWS, age=timedelta(hours=1), objects=False, per_session=1)
    # A session is read with its consents, and a table without rows is always scanned.
    Consent.objects.bulk_create(
        Consent(session=session, purpose="contact", granted=True, version="1")
        for session in UserSession.objects.all()
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")

    visitor.current()  # which records its activity, if a minute has passed
    after = [queries(work) for work in works]

    assert [len(sent) for sent in after] == [len(sent) for sent in before]
    reads = [sql for sent in after for sql in sent if sql.startswith("SELECT") and TABLE in sql]
    assert len(reads) >= 2
    for sql in reads:
        plan = explained(sql)
        # A scan of a whole index would also grow.
        assert f"SEARCH {TABLE} USING" in plan or "Index Cond" in plan, plan
        assert "SCAN" not in plan.upper().replace("INDEX SCAN", ""), plan


def queries(work: Callable[[], Any]) -> list[str]:
    """Return the statements that `work` sends."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return [str(query["sql"]) for query in captured]


def explained(sql: str) -> str:
    """Return the query plan of a statement."""
    how = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    with connection.cursor() as cursor:
        cursor.execute(how + sql)
        return "\n".join(str(row[-1]) for row in cursor.fetchall()) + "\n"

"""The feed gives services the events of sessions and files: each once, in one order, in pages."""

import re
import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.events import registered
from audit_app.models import AuditLog, FeedEntry, FeedState
from tests.cases import cases
from tests.helpers import Service, Visitor, code, events, started, uploaded
from tests.sessions_app.service_support import FEED, service
from tests.sessions_app.support import end_as

FOLLOWED = {event.name for event in registered() if event.feed}


@pytest.fixture
def agent(db: None) -> Service:
    return service("events")


def feed_items(page: Any) -> list[tuple[str, str]]:
    """Return the event and session of each entry on a page."""
    assert page.status_code == 200, page.content
    return [(item["event"], item["session_uuid"]) for item in page.json()["results"]]


def pages(agent: Service, **query: Any) -> list[Any]:
    """Read the feed from 0 to its end; return its entries."""
    after, entries = 0, []
    while page := agent.feed(after=after, **query).json()["results"]:
        entries += page
        after = page[-1]["position"]
    return entries


def fill(count: int, *, read: bool = False) -> None:
    """Write feed events in bulk, with positions if `read`."""
    now = timezone.now()
    logs = [
        AuditLog(
            event_id=uuid.uuid4(), occurred_at=now, event_type="session.created",
            outcome="success", session_uuid=uuid.uuid4(), actor="visitor", text='{"details":{}}',
        )
        for _ in range(count)
    ]  # fmt: skip
    AuditLog.objects.bulk_create(logs)
    written = AuditLog.objects.filter(event_id__in=[log.event_id for log in logs])
    entries = [FeedEntry(log=log) for log in written.order_by("id")]
    if read:
        FeedState.objects.create(last_position=count)
        for position, entry in enumerate(entries, 1):
            entry.position = position
    FeedEntry.objects.bulk_create(entries)


def test_an_empty_feed_returns_the_position_to_continue_from(agent: Service) -> None:
    assert agent.feed().json() == {"results": [], "next": 0}
    assert agent.feed(after=17).json() == {"results": [], "next": 17}


def test_an_entry_has_the_event_and_its_subject(agent: Service) -> None:
    visitor = started()
    upload = uploaded(visitor)

    _, stored = agent.feed().json()["results"]

    log = AuditLog.objects.get(event_type="upload.stored")
    assert stored.pop("occurred_at") == log.occurred_at.isoformat().replace("+00:00", "Z")
    assert stored == {
        "position": 2,
        "event_id": str(log.event_id),
        "event": "upload.stored",
        "session_uuid": visitor.uuid,
        "target": f"upload:{upload.pk}",
        "details": {
            "size": upload.size,
            "sha256": upload.sha256,
            "content_type": "application/pdf",
        },
    }


def cause_all_events(make_staff: Any) -> Visitor:
    """Cause every event of the feed and many others; return a visitor who was erased."""
    visitor = started()
    kept, deleted = uploaded(visitor, name="Anna-Beispiel.pdf"), uploaded(visitor)
    visitor.delete_upload(str(deleted.pk))
    visitor.download(str(kept.pk))
    visitor.patch(
        "/api/v1/sessions/current/",
        {"name": "Anna Beispiel", "email": "anna@example.org"},
        "application/json",
        **visitor.named,
    )
    visitor.upload(b"no pdf", name="Anna-Beispiel.pdf")
    Visitor().current()
    for how in ("expired", "reset", "ended", "revoked"):
        other = started()
        end_as(how, other, make_staff)
        other.current()  # records what has expired
    visitor.delete("/api/v1/sessions/current/?erase=true", **visitor.named)
    return visitor


def test_the_feed_has_its_registered_events_and_no_others(agent: Service, make_staff: Any) -> None:
    cause_all_events(make_staff)

    seen = [event for event, _ in feed_items(agent.feed())]

    assert set(seen) == FOLLOWED
    assert seen == [event for event in events() if event in FOLLOWED]
    assert {"session.identified", "session.refused", "upload.rejected"} <= set(events())


def test_t50_the_feed_has_no_personal_values(agent: Service, make_staff: Any) -> None:
    visitor = Visitor(REMOTE_ADDR="203.0.113.77", HTTP_USER_AGENT="AnnasBrowser/1")
    visitor.start()
    cause_all_events(make_staff)

    text = agent.feed().content.decode()

    for personal in ("Anna", "anna@", "203.0.113", "AnnasBrowser", "127.0.0", ".pdf"):
        assert personal not in text
    assert not re.search(r"[\w.]+@[\w.]+", text)
    assert "mss1_" not in text


def test_each_entry_comes_once_and_a_repeated_read_is_equal(agent: Service) -> None:
    first = started()
    page = agent.feed().json()
    assert [entry["session_uuid"] for entry in page["results"]] == [first.uuid]
    second = started()

    following = agent.feed(after=page["next"]).json()

    assert [entry["session_uuid"] for entry in following["results"]] == [second.uuid]
    assert agent.feed(after=following["next"]).json() == {
        "results": [],
        "next": following["next"],
    }
    assert agent.feed().json()["results"] == page["results"] + following["results"]


@pytest.mark.both
def test_a_rolled_back_event_is_not_in_the_feed(agent: Service) -> None:
    with transaction.atomic():
        started()
        transaction.set_rollback(True)
    kept = started()

    assert feed_items(agent.feed()) == [("session.created", kept.uuid)]
    assert agent.feed().json()["next"] == 1


def test_a_page_has_at_most_five_hundred_entries(agent: Service) -> None:
    fill(501)

    for limit in (1, 499, 500):
        page = agent.feed(limit=limit).json()
        assert len(page["results"]) == page["next"] == limit
    assert len(agent.feed().json()["results"]) == 500


def test_a_long_backlog_has_no_gap_between_pages(agent: Service) -> None:
    fill(1001)  # more than one request gives positions to

    entries = pages(agent)

    assert [entry["position"] for entry in entries] == list(range(1, 1002))
    written = AuditLog.objects.filter(event_type="session.created").order_by("id")
    assert [entry["event_id"] for entry in entries] == [str(log.event_id) for log in written]
    assert pages(agent, limit=400) == entries


@cases(
    "query",
    [
        {"after": "-1"}, {"after": "x"}, {"after": "1e3"}, {"after": "0x10"},
        {"after": str(2**62 + 1)}, {"after": "9" * 500}, {"after": "1 OR 1=1"}, {"after": "\x00"},
        {"limit": "0"}, {"limit": "501"}, {"limit": "-1"}, {"limit": "all"},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_position_answers_400(agent: Service, query: dict[str, str]) -> None:
    started()

    answer = agent.feed(**query)

    assert (answer.status_code, code(answer)) == (400, "invalid_input")
    assert answer.json()["errors"].keys() == query.keys()
    assert FeedEntry.objects.filter(position=None).count() == 1  # and nothing was given


def test_an_empty_position_is_the_start(agent: Service) -> None:
    first = started()
    assert feed_items(agent.feed(after="")) == [("session.created", first.uuid)]


def test_a_position_after_the_end_is_kept(agent: Service) -> None:
    started()
    assert agent.feed(after=2**62).json() == {"results": [], "next": 2**62}


@pytest.mark.both
def test_a_read_without_new_entries_writes_nothing(agent: Service) -> None:
    started()
    agent.feed()

    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert len(feed_items(agent.feed())) == 1

    assert [query["sql"].split()[0] for query in captured] == ["SELECT"] * 3


@pytest.mark.both
@pytest.mark.parametrize("waiting", [True, False], ids=["some-wait", "none-waits"])
def test_the_number_of_queries_does_not_grow(agent: Service, waiting: bool) -> None:
    def queries(entries: int) -> int:
        fill(entries)
        if not waiting:
            agent.feed()
        with CaptureQueriesContext(connection) as captured:
            agent.feed()
        return len(captured)

    started()
    agent.feed()
    assert queries(1) == queries(20) == queries(300)


@pytest.mark.both
def test_no_query_reads_the_whole_feed(agent: Service) -> None:
    fill(2000, read=True)
    fill(2)
    with connection.cursor() as cursor:
        # Otherwise the plan depends on how many rows another test has counted.
        for table in ("audit_app_feedentry", "audit_app_auditlog"):
            cursor.execute(f"ANALYZE {table}")

    with CaptureQueriesContext(connection) as captured:
        assert len(feed_items(agent.feed(after=1999))) == 3

    selects = [query["sql"] for query in captured if 'FROM "audit_app_feedentry"' in query["sql"]]
    plans = [plan(sql) for sql in selects]
    assert len(plans) == 3  # does any wait, which, and the page
    for text in plans:
        assert "Seq Scan" not in text
        assert "SCAN audit_app" not in text


def plan(sql: str) -> str:
    """Return the database's plan of a statement."""
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return "\n".join(str(row) for row in cursor.fetchall())


def test_the_first_reader_creates_the_counter(agent: Service) -> None:
    assert not FeedState.objects.exists()
    started()
    Visitor().get(FEED)  # refused, so it gives nothing
    assert not FeedState.objects.exists()
    agent.feed()
    assert FeedState.objects.get().last_position == 1

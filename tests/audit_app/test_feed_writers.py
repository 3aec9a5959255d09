"""Concurrent writers and readers: each reader gets every event once, in the same order.

Ids are not commit order. Where the database lets transactions overlap, they
are made to commit in every order; elsewhere, many writers meet by chance.
"""

import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection, transaction

from audit_app.models import AuditLog, FeedEntry
from tests.helpers import SOAK, Service, Visitor, at_once, started, uploaded
from tests.sessions_app.service_support import service

pytestmark = [pytest.mark.both, pytest.mark.slow, pytest.mark.usefixtures("committed", "plenty")]

WRITERS, READERS = 8, 2
ROUNDS = 60 if SOAK else 4
OPEN_AT_ONCE = 3
REPEATS = 20 if SOAK else 1
PATIENCE = 60


@pytest.fixture
def plenty(settings: Any) -> None:
    """Raise the rate limits, so that they do not end a test."""
    settings.RATE_LIMITS = {name: ["1000000/m"] for name in project.RATE_LIMITS}


@dataclass
class FeedReader:
    """Reads the feed a few entries at a time and remembers its position."""

    agent: Service
    after: int = 0
    seen: list[dict[str, Any]] = field(default_factory=list)

    def poll(self) -> bool:
        """Read one page; return whether it had entries."""
        page = self.agent.feed(after=self.after, limit=7).json()
        self.seen += page["results"]
        self.after = page["next"]
        return bool(page["results"])

    def follow(self, finished: threading.Event) -> None:
        """Poll until all writers have finished and no entry is left."""
        while not finished.is_set() or self.poll():
            self.poll()


def check(*readers: FeedReader) -> None:
    """Check that each reader got every committed event once, in the same order."""
    fresh = FeedReader(readers[0].agent)
    while fresh.poll():
        pass
    for reader in readers:
        assert reader.seen == fresh.seen
    assert [entry["position"] for entry in fresh.seen] == list(range(1, len(fresh.seen) + 1))
    written = AuditLog.objects.filter(feed_entry__isnull=False).values_list("event_id", flat=True)
    assert sorted(entry["event_id"] for entry in fresh.seen) == sorted(map(str, written))


def write(dice: random.Random) -> None:
    """Do one visitor action, or begin one and roll it back."""
    match dice.randrange(5):
        case 0:
            uploaded(started())
        case 1:
            started().reset()
        case 2:  # two visitors' events in one transaction
            with transaction.atomic():
                started()
                started().end()
        case 3:
            with transaction.atomic():
                started()
                transaction.set_rollback(True)
        case _:
            visitor = started()
            visitor.delete_upload(str(uploaded(visitor).pk))


def test_eight_writers_and_two_readers() -> None:
    agent = service("events")
    readers = [FeedReader(agent), FeedReader(Service(agent.secret))]
    finished = threading.Event()
    left = threading.Semaphore(0)

    def work(number: int) -> None:
        if number < READERS:
            readers[number].follow(finished)
            return
        dice = random.Random(number)
        try:
            for _ in range(ROUNDS):
                write(dice)
        finally:
            left.release()

    def end_when_written() -> None:
        for _ in range(WRITERS):
            left.acquire()
        finished.set()

    watcher = threading.Thread(target=end_when_written)
    watcher.start()
    at_once(READERS + WRITERS, work)
    watcher.join()

    assert len(readers[0].seen) >= WRITERS * ROUNDS
    check(*readers)


@pytest.mark.parametrize("readers", [10])
def test_concurrent_readers_number_each_entry_once(readers: int) -> None:
    agent = service("events")
    for _ in range(12):
        started()

    answers = at_once(readers, lambda _: Service(agent.secret).feed().json())

    assert all(answer == answers[0] for answer in answers)
    assert [entry["position"] for entry in answers[0]["results"]] == list(range(1, 13))


@contextmanager
def open_transaction() -> Iterator["OpenTransaction"]:
    """Create a session in a transaction that stays open until `end` is called."""
    kept = OpenTransaction()
    kept.thread.start()
    try:
        assert kept.written.wait(PATIENCE)
        yield kept
    finally:
        kept.end()


class OpenTransaction:
    """A transaction in its own thread."""

    def __init__(self) -> None:
        self.written, self.reported = threading.Event(), threading.Event()
        self.undo = False
        self.visitor = Visitor()
        self.thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self.visitor.start()
                self.written.set()
                self.reported.wait(PATIENCE)
                transaction.set_rollback(self.undo)
        finally:
            connection.close()

    def end(self, undo: bool = False) -> None:
        """Commit or roll back, and wait for it."""
        self.undo = undo
        self.reported.set()
        self.thread.join(PATIENCE)


@pytest.fixture
def overlapping() -> None:
    """Skip on databases where only one transaction writes at a time."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets one transaction write at a time: ids are commit order")


@pytest.mark.usefixtures("overlapping")
def test_an_event_that_commits_late_is_read_late_and_not_missed() -> None:
    reader = FeedReader(service("events"))
    with open_transaction() as slow:
        quick = started()
        reader.poll()
        assert [entry["session_uuid"] for entry in reader.seen] == [quick.uuid]
        slow.end()
        reader.poll()

    assert [entry["session_uuid"] for entry in reader.seen] == [quick.uuid, slow.visitor.uuid]
    first, second = FeedEntry.objects.order_by("position")
    assert first.log_id > second.log_id  # whoever remembered the highest id would have missed it
    check(reader)


@pytest.mark.usefixtures("overlapping")
@pytest.mark.parametrize(
    "undone", [None, 0, 1], ids=["all-commit", "first-undone", "second-undone"]
)
def test_any_order_of_commits(undone: int | None) -> None:
    reader = FeedReader(service("events"))
    expected: list[str] = []
    for order in [*permutations(range(OPEN_AT_ONCE))] * REPEATS:
        with ExitStack() as stack:
            kept = [stack.enter_context(open_transaction()) for _ in range(OPEN_AT_ONCE)]
            for number in order:
                kept[number].end(undo=number == undone)
                if number != undone:
                    expected.append(kept[number].visitor.uuid)
                reader.poll()

    assert [entry["session_uuid"] for entry in reader.seen] == expected
    check(reader)


@pytest.mark.usefixtures("overlapping")
def test_two_readers_do_not_number_at_the_same_time() -> None:
    """One reader numbered an event without committing; the other must wait for it."""
    agent = service("events")
    for _ in range(3):
        started()
    numbered, go = threading.Event(), threading.Event()

    def slowly(_: int) -> Any:
        with transaction.atomic():
            page = agent.feed().json()
            numbered.set()
            go.wait(PATIENCE)
        return page

    def after_it(_: int) -> Any:
        assert numbered.wait(PATIENCE)
        threading.Timer(0.2, go.set).start()  # the wait is the database's, whenever this is
        return Service(agent.secret).feed().json()

    first, second = at_once(2, lambda number: (slowly, after_it)[number](number))

    assert first == second
    assert [entry["position"] for entry in first["results"]] == [1, 2, 3]

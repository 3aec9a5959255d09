"""One visitor's expensive files do not delay the inspection of everybody else's."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import IO

import pytest
from django.utils import timezone

from sessions_app.models import UserSession
from tests.helpers import SOAK, Visitor, events, pdf, plant, started, uploaded
from tests.uploads_app.inspection.hostile_pdfs import written
from uploads_app.inspection import sandbox
from uploads_app.inspection.sandbox import TOO_EXPENSIVE, Findings
from uploads_app.models import Inspection, UploadedFile, UploadStatus
from uploads_app.services.inspection import FIRST_TRY_SECONDS
from uploads_app.storage.keys import object_key
from uploads_app.tasks import inspect_uploads

HONEST_SESSIONS = 100
HOSTILE_FILES = 24
# The processor time of a small PDF in its own process, in milliseconds.
USUAL_COST = 120
HONEST = pdf("honest")
# Harmless, but it needs more than the first try.
HOSTILE = written("", "", *["<< /A << /B 1 >> >>"] * 50_000)


def stored(session: UserSession, body: bytes, network: str, age: int) -> UploadedFile:
    """Create a file that was stored `age` seconds ago."""
    upload_id, now = uuid.uuid4(), timezone.now()
    upload = UploadedFile.objects.create(
        id=upload_id,
        session=session,
        key=object_key(session.uuid, upload_id, "pdf"),
        size=len(body),
        sha256="0" * 64,
        content_type="application/pdf",
        status=UploadStatus.STORED,
        lease_expires_at=now,
        stored_at=now - timedelta(seconds=age),
        network=network,
    )
    plant(upload.key, body)
    return upload


def new_session() -> UserSession:
    return UserSession.objects.create(token_hash=uuid.uuid4().hex)


class Recorder:
    """Runs inspections, or with SOAK real ones, and keeps what each cost, in their order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.costs: list[tuple[bool, int]] = []
        real = sandbox.inspect_content

        def inspect(content: IO[bytes], seconds: int) -> Findings:
            is_honest = content.read() == HONEST
            found = real(content, seconds) if SOAK else self._invented(is_honest, seconds)
            self.costs.append((is_honest, found.cost))
            return found

        monkeypatch.setattr(sandbox, "inspect_content", inspect)
        monkeypatch.setattr("uploads_app.tasks.INSPECT_SECONDS", 100_000)

    def _invented(self, is_honest: bool, seconds: int) -> Findings:
        if is_honest:
            return Findings(Inspection.CLEAN, cost=USUAL_COST)
        return Findings(TOO_EXPENSIVE.verdict, ["too_expensive"], 1000 * seconds, ran_out=True)

    def waits(self) -> list[int]:
        """Inspect all files; return what was spent before each honest one's turn."""
        self.costs = []
        inspect_uploads()
        assert not UploadedFile.objects.uninspected().exists()
        return [
            sum(cost for _, cost in self.costs[:place])
            for place, (is_honest, _) in enumerate(self.costs)
            if is_honest
        ]


def own_network(number: int) -> str:
    return f"192.0.{number}.0/24"


def one_network(number: int) -> str:
    return "198.51.100.0/24"


OFFICE, ELSEWHERE = one_network(0), "203.0.113.0/24"


@pytest.mark.parametrize(
    ("honest_network", "hostile_network"),
    [(own_network, ELSEWHERE), (one_network, ELSEWHERE), (one_network, OFFICE)],
    ids=["all networks differ", "one against an office", "in the office"],
)
@pytest.mark.timeout(1200)
@pytest.mark.django_db
def test_t97_expensive_files_of_one_session_do_not_delay_the_others(
    monkeypatch: pytest.MonkeyPatch,
    honest_network: Callable[[int], str],
    hostile_network: str,
) -> None:
    """The hostile files are the oldest. At most one first try comes before the first honest turn."""
    recorder = Recorder(monkeypatch)
    for number in range(HONEST_SESSIONS):
        stored(new_session(), HONEST, honest_network(number), 1000 + number)
    alone = recorder.waits()
    UploadedFile.objects.update(inspection=Inspection.WAITING, inspected_at=None, inspection_cost=0)
    hostile = new_session()
    for number in range(HOSTILE_FILES):
        stored(hostile, HOSTILE, hostile_network, 100_000 + number)

    together = recorder.waits()

    assert len(alone) == len(together) == HONEST_SESSIONS
    assert sum(together) <= 3 * sum(alone)
    assert together[-1] <= 3 * alone[-1]
    for before, now in zip(alone, together, strict=True):
        assert now <= 2 * before + 1000 * FIRST_TRY_SECONDS + 10 * USUAL_COST


@pytest.mark.both
@pytest.mark.django_db
def test_t97_files_that_cost_much_lately_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost is remembered between runs, also that of other sessions in the network."""
    recorder = Recorder(monkeypatch)
    spender = new_session()
    stored(spender, HOSTILE, own_network(1), 0)
    recorder.waits()

    first = stored(spender, pdf("1"), own_network(1), 300)
    second = stored(new_session(), pdf("2"), own_network(1), 200)
    third = stored(new_session(), pdf("3"), own_network(2), 100)
    recorder.waits()

    order = UploadedFile.objects.filter(pk__in=[first.pk, second.pk, third.pk])
    assert list(order.order_by("inspected_at")) == [third, second, first]


@pytest.mark.both
@pytest.mark.django_db
def test_t97_session_with_many_files_does_not_fill_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    many, one = new_session(), new_session()
    for number in range(20):
        stored(many, HONEST, one_network(0), 1000 + number)
    last = stored(one, HONEST, one_network(0), 0)
    monkeypatch.setattr("uploads_app.tasks.INSPECT_BATCH", 2)
    monkeypatch.setattr("uploads_app.services.inspection_queue.RELOAD_SECONDS", 1000)
    Recorder(monkeypatch)

    assert inspect_uploads() == 2
    last.refresh_from_db()
    assert last.inspection == Inspection.CLEAN


@pytest.mark.django_db
def test_t97_file_stored_during_a_run_gets_its_turn_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    monkeypatch.setattr("uploads_app.services.inspection_queue.RELOAD_SECONDS", -1)
    spender = new_session()
    for number in range(3):
        stored(spender, HOSTILE, own_network(1), number)
    inspect = sandbox.inspect_content

    def meanwhile(content: IO[bytes], seconds: int) -> Findings:
        if len(recorder.costs) == 3:  # each had its first try
            stored(new_session(), HONEST, own_network(1), 0)
        return inspect(content, seconds)

    monkeypatch.setattr(sandbox, "inspect_content", meanwhile)
    recorder.waits()

    order = [is_honest for is_honest, _ in recorder.costs]
    assert order == [False, False, False, False, True, False, False]


def test_t97_file_over_its_first_try_waits_until_others_had_theirs(visitor: Visitor) -> None:
    expensive, cheap = uploaded(visitor, HOSTILE), uploaded(started(), pdf())

    assert inspect_uploads() == 2

    for upload in (expensive, cheap):
        upload.refresh_from_db()
    waiting = UploadedFile.objects.filter(pk__in=[expensive.pk, cheap.pk])
    assert list(waiting.order_by("stored_at")) == [expensive, cheap]
    assert list(waiting.order_by("inspected_at")) == [cheap, expensive]
    assert expensive.inspection_cost > 1000 * FIRST_TRY_SECONDS > cheap.inspection_cost > 0
    assert expensive.inspection == Inspection.CLEAN
    assert expensive.network == "127.0.0.0/24"
    assert events(visitor.uuid).count("upload.inspected") == 1

    visitor.erase()
    expensive.refresh_from_db()
    assert expensive.network == ""

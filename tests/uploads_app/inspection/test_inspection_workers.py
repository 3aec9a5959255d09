"""Several workers inspect at once: each file once, fair among all, and helpers end with their run."""

import time
from datetime import timedelta
from typing import IO

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from audit_app.models import AuditLog
from tests.helpers import at_once, pdf, store_root
from tests.uploads_app.inspection.test_inspection_order import (
    HONEST,
    HOSTILE,
    Recorder,
    new_session,
    own_network,
    stored,
)
from uploads_app.inspection import sandbox
from uploads_app.inspection.sandbox import Findings
from uploads_app.models import Inspection, UploadedFile
from uploads_app.services import inspection_queue
from uploads_app.services.inspection_queue import InspectionQueue
from uploads_app.tasks import inspect_uploads

pytestmark = pytest.mark.both


def test_four_workers_inspect_each_file_once(
    committed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspected: list[bytes] = []

    def inspect(content: IO[bytes], seconds: int) -> Findings:
        inspected.append(content.read())
        time.sleep(0.01)
        return Findings(Inspection.CLEAN, cost=1)

    monkeypatch.setattr(sandbox, "inspect_content", inspect)
    bodies = [pdf(str(number)) for number in range(40)]
    for number, body in enumerate(bodies):
        stored(new_session(), body, own_network(number % 3), number)

    counts = at_once(4, lambda _: inspect_uploads())

    assert sum(counts) == 40
    assert min(counts) > 0
    assert sorted(inspected) == sorted(bodies)
    assert AuditLog.objects.filter(event_type="upload.inspected").count() == 40
    assert not UploadedFile.objects.exclude(inspection_claimed_until=None).exists()


@pytest.mark.django_db
def test_a_file_of_a_worker_that_died_is_inspected_later(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder(monkeypatch)
    upload = stored(new_session(), HONEST, own_network(1), 0)
    assert InspectionQueue(10).take() == upload
    assert inspect_uploads() == 0

    past = timezone.now() - timedelta(seconds=1)
    UploadedFile.objects.update(inspection_claimed_until=past)
    assert inspect_uploads() == 1


@pytest.mark.django_db
def test_what_other_workers_inspect_counts_as_spent() -> None:
    oldest = stored(new_session(), HOSTILE, own_network(1), 300)
    stored(new_session(), HOSTILE, own_network(1), 200)
    honest = stored(new_session(), HONEST, own_network(2), 100)

    assert InspectionQueue(10).take() == oldest
    assert InspectionQueue(10).take() == honest


@pytest.mark.django_db
def test_many_waiting_files_call_other_workers_until_the_same_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Recorder(monkeypatch)
    monkeypatch.setattr("uploads_app.tasks.INSPECT_ALONE", 2)
    for number in range(3):
        stored(new_session(), HONEST, own_network(number), number)
    until = time.time() + 60

    assert inspect_uploads(until) == 3
    (helper,) = OrmQ.objects.all()
    assert (helper.func(), helper.args()) == ("uploads_app.tasks.inspect_uploads", (until,))

    stored(new_session(), HONEST, own_network(1), 0)
    assert inspect_uploads(time.time() - 1) == 0
    assert inspect_uploads(until) == 1
    assert OrmQ.objects.count() == 1
    assert inspection_queue.longest_wait() == timedelta()


@pytest.mark.django_db
def test_files_that_cannot_be_read_call_no_other_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uploads_app.tasks.INSPECT_ALONE", 2)
    for number in range(3):
        upload = stored(new_session(), HONEST, own_network(number), number)
        (store_root() / upload.key).unlink()

    assert inspect_uploads() == 0
    assert not OrmQ.objects.exists()

"""The worker: killed during a task, late by hours, stalled, ended."""

import os
import signal
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Success
from django_q.tasks import async_task

from audit_app.models import AuditLog
from common.worker import heartbeat_age
from maria_project.management.commands.serve import heartbeat_is_late
from sessions_app.models import UserSession
from tests.helpers import started, stored_keys, uploaded
from tests.maria_project.server import (
    MANAGE,
    answers,
    children_of,
    environment,
    process,
    test_database,
    wait_for,
)
from tests.ports import free_port
from uploads_app.models import (
    CleanupRun,
    Inspection,
    RunStatus,
    StoreState,
    UploadedFile,
    UploadQuota,
    UploadStatus,
)
from uploads_app.storage.keys import object_key

pytestmark = pytest.mark.slow

LAPSED = 2000  # several batches


def qcluster(folder: Path) -> tuple[list[str], dict[str, str], Path]:
    """Return the command and environment of a worker on the test's database and store, and its log."""
    return [*MANAGE, "qcluster"], environment(folder, **test_database()), folder / "worker.log"


def lapse(session: UserSession, count: int) -> None:
    """Create `count` uploads of a session with an expired lease, of which nothing arrived."""
    uploads = []
    for _ in range(count):
        upload = UploadedFile(
            session=session, name="a.pdf", size=1, content_type="application/pdf",
            lease_expires_at=timezone.now() - timedelta(minutes=1),
        )  # fmt: skip
        upload.key = object_key(session.uuid, upload.pk, "pdf")
        uploads.append(upload)
    UploadedFile.objects.bulk_create(uploads)
    UploadQuota.objects.update_or_create(session=session, defaults={"files": count, "bytes": count})


def lapsed() -> int:
    return UploadedFile.objects.filter(status=UploadStatus.LAPSED).count()


@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_t78_a_task_whose_worker_is_killed_is_finished_once(tmp_path: Path) -> None:
    Schedule.objects.all().delete()
    kept = uploaded(started())
    lapse(started().row, LAPSED)
    async_task("uploads_app.tasks.cleanup_orphans")

    command, env, log = qcluster(tmp_path)
    with process(command, env, log) as worker:
        wait_for(lapsed, what=f"a running cleanup, see {log}")
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
    assert 0 < lapsed() < LAPSED, "the worker was not killed in the middle"
    assert OrmQ.objects.count() == 1

    # As if the queue's retry and the run's lease had passed.
    before = timezone.now() - timedelta(seconds=1)
    OrmQ.objects.update(lock=before)
    StoreState.objects.update(lease_expires_at=before)
    with process(command, env, log):
        wait_for(lambda: Success.objects.exists() and not OrmQ.objects.exists())

    lapses = AuditLog.objects.filter(event_type="upload.lapsed")
    assert lapsed() == LAPSED
    assert Counter(Counter(lapses.values_list("target", flat=True)).values()) == {1: LAPSED}
    assert Success.objects.count() == 1
    assert CleanupRun.objects.filter(status=RunStatus.COMPLETED).count() == 1
    assert stored_keys() == {kept.key}
    assert set(UploadQuota.objects.values_list("files", flat=True)) == {0, 1}


@pytest.mark.usefixtures("committed")
def test_t79_schedules_missed_for_two_hours_run_once(tmp_path: Path) -> None:
    missed = timezone.now() - timedelta(hours=2)
    kept = uploaded(started())
    Schedule.objects.update(next_run=missed)
    command, env, log = qcluster(tmp_path)
    with process(command, env, log):
        wait_for(lambda: Success.objects.count() >= 9, what=f"nine schedules, see {log}")
        wait_for(lambda: not OrmQ.objects.exists())
    ran = Counter(Success.objects.values_list("func", flat=True))
    assert ran == {
        "audit_app.tasks.seal_audit": 1,
        "audit_app.tasks.verify_audit": 1,
        "maria_project.tasks.count_figures": 1,
        "maria_project.tasks.heartbeat": 1,
        "sessions_app.tasks.expire_sessions": 1,
        "sessions_app.tasks.forget_visitors": 1,
        "uploads_app.tasks.cleanup_orphans": 1,
        "uploads_app.tasks.watch_cleanup": 1,
        "uploads_app.tasks.inspect_uploads": 1,
    }
    kept.refresh_from_db()
    assert kept.inspection == Inspection.CLEAN  # that worker has inspected it
    assert all(s.next_run > timezone.now() for s in Schedule.objects.all())
    assert CleanupRun.objects.count() == 1


@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_the_supervisor_restarts_an_ended_worker(tmp_path: Path) -> None:
    port = free_port()
    command = [*MANAGE, "serve", "--port", str(port)]
    log = tmp_path / "serve.log"
    with process(command, environment(tmp_path, **test_database()), log) as running:
        wait_for(lambda: answers(f"http://127.0.0.1:{port}/health/live"), what=f"serve, see {log}")
        first = wait_for(lambda: worker_of(running.pid))
        os.killpg(first, signal.SIGKILL)
        second = wait_for(
            lambda: worker_of(running.pid) not in (0, first) and worker_of(running.pid)
        )
        async_task("maria_project.tasks.heartbeat", task_name="after the kill")
        wait_for(lambda: Success.objects.filter(name="after the kill").exists())
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    assert "The worker ended with code -9. Restarting it." in log.read_text()
    assert not Path(f"/proc/{second}").exists()


def worker_of(supervisor: int) -> int:
    """Return the process id of a supervisor's worker, 0 if there is none."""
    return next(iter(children_of(supervisor, "qcluster")), 0)


@pytest.mark.both
@pytest.mark.django_db
@pytest.mark.parametrize(
    ("minutes", "late"), [(None, True), (1, False), (5, False), (6, True), (60, True)]
)
def test_a_worker_is_late_by_its_last_heartbeat(minutes: int | None, late: bool) -> None:
    if minutes is not None:
        now = timezone.now()
        Success.objects.create(
            id="beat", name="beat", func="maria_project.tasks.heartbeat", success=True,
            started=now, stopped=now - timedelta(minutes=minutes),
        )  # fmt: skip
        age = heartbeat_age()
        assert age is not None
        assert age >= timedelta(minutes=minutes)
    assert heartbeat_is_late(360) is late

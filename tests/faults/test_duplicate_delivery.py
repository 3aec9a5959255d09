"""Every task has its effect once, even if it is delivered twice or killed at any step.

The queue delivers at least once. So three processes run each task at once, and a
worker that runs it is killed and the task is delivered again. The result must be
the same as after one run.
"""

import importlib
import inspect
import uuid
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.conf import settings as project
from django.core.cache import cache
from django.db.models import F, Sum
from django.utils import timezone
from django_q.models import OrmQ, Success
from django_q.tasks import async_task

from audit_app.models import AuditLog, SealAnchor, SealHead, SealState
from audit_app.seal import anchors, key_files, keys, sealer
from backoffice_app.models import HourlyFigure
from sessions_app.models import UserSession
from tests.audit_app.seal_support import check_chain, write_rows
from tests.deliveries import deliver, deliver_now
from tests.helpers import (
    SOAK,
    age_session,
    events,
    plant,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.maria_project.server import ROOT
from tests.processes import STEPS, fork, need_strace, wait_for_other_backends
from tests.uploads_app.cleanup.cleanup_support import many, quotas_fit, snapshot
from uploads_app import marker
from uploads_app.cleanup import trash
from uploads_app.cleanup.alerts import PATIENCE
from uploads_app.inspection.sandbox import WALL_SECONDS
from uploads_app.models import (
    CleanupRun,
    QuarantinedObject,
    RunStatus,
    StoreState,
    UploadedFile,
    UploadStatus,
)
from uploads_app.storage.keys import object_key, quarantine_key
from uploads_app.tasks import INSPECT_SECONDS, RUN_SECONDS, inspect_uploads

Check = Callable[[], None]

AT_ONCE = 3
ROUNDS = 5 if SOAK else 1
KILLS = 200 if SOAK else 3
DUE = 6
# Of a task whose worker was killed: the task, and each time it ran a call for more workers.
DELIVERIES = 4
# Distance between the system calls at which a worker is killed; fewer by default.
EVERY = dict.fromkeys(STEPS, 1) if SOAK else {"unlink": 2, "fdatasync": 5, "sendto": 25}


def due_sessions() -> Check:
    """Create expired sessions beside a live one."""
    cache.clear()  # the rate limit of new sessions would refuse some
    live = uploaded(started()).session
    due = [started().row for _ in range(DUE)]
    for session in due:
        age_session(session, timedelta(hours=25))

    def check() -> None:
        rows = UserSession.objects.filter(pk__in=[session.pk for session in due])
        assert set(rows.values_list("status", "end_reason")) == {("expired", "unused")}
        for session in due:
            assert events(session.pk) == ["session.created", "session.expired"]
        assert events(live.pk) == ["session.created", "upload.stored"]

    return check


def removable_files() -> Check:
    """Create files of every kind that the cleanup removes, and a live one."""
    cache.clear()
    live = uploaded(started())
    lapsed = many(2, UploadStatus.PENDING)
    deleted = [*many(2, UploadStatus.DELETING), *many(2, ended=timedelta(days=8))]

    def check() -> None:
        states = dict(UploadedFile.objects.values_list("pk", "status"))
        for upload in lapsed:
            assert (states[upload.pk], events_of(upload)) == ("lapsed", ["upload.lapsed"])
        for upload in deleted:
            assert (states[upload.pk], events_of(upload)) == ("deleted", ["upload.deleted"])
        assert (states[live.pk], events_of(live)) == ("stored", ["upload.stored"])
        assert live.key in stored_keys()
        assert not {upload.key for upload in [*lapsed, *deleted]} & stored_keys()
        assert quotas_fit()

    return check


def visitors_past_retention() -> Check:
    """Create ended sessions with contact data past its retention, and a live one."""
    cache.clear()
    live, due = started(), [started() for _ in range(DUE)]
    for visitor in (live, *due):
        visitor.identify(name="Ada", email="ada@example.com")
    for visitor in due:
        visitor.end()
    ended = UserSession.objects.filter(pk__in=[visitor.uuid for visitor in due])
    ended.update(ended_at=F("ended_at") - timedelta(days=8))
    before = [
        "session.created", "session.identified", "session.token_rotated", "session.ended",
    ]  # fmt: skip

    def check() -> None:
        assert set(ended.values_list("name", "email")) == {("", "")}
        for visitor in due:
            assert events(visitor.uuid) == [*before, "session.contact_erased"]
        assert live.row.name == "Ada"

    return check


def uninspected_files() -> Check:
    """Create a file that is not inspected yet, and one whose object is missing."""
    cache.clear()
    uninspected, deleted = uploaded(started()), uploaded(started())
    (store_root() / deleted.key).unlink()

    def check() -> None:
        # The claim of a killed worker ends by itself; then the next run inspects its file.
        UploadedFile.objects.update(inspection_claimed_until=None)
        inspect_uploads()
        verdicts = dict(UploadedFile.objects.values_list("pk", "inspection"))
        assert verdicts[uninspected.pk] == "clean"
        assert events_of(uninspected) == ["upload.stored", "upload.inspected"]
        assert (verdicts[deleted.pk], events_of(deleted)) == ("waiting", ["upload.stored"])

    return check


def events_of(upload: UploadedFile) -> list[str]:
    rows = AuditLog.objects.filter(target=f"upload:{upload.pk}").order_by("id")
    return list(rows.values_list("event_type", flat=True))


def nothing() -> Check:
    """Create no work: the task changes nothing, however often it runs."""
    before = snapshot()[1], events()

    def check() -> None:
        assert (snapshot()[1], events()) == before

    return check


def failing_cleanup() -> Check:
    """Make the last cleanup run too old, without an alert sent yet."""
    CleanupRun.objects.all().delete()
    CleanupRun.objects.create(
        started_at=timezone.now() - PATIENCE, status=RunStatus.COMPLETED, actor="x",
        grace=timedelta(0), limit=1,
    )  # fmt: skip
    StoreState.objects.update(alert_since=None, alert_code="")
    before = CleanupRun.objects.values().get()

    def check() -> None:
        assert StoreState.objects.get().alert_code == "overdue"
        assert CleanupRun.objects.values().get() == before

    return check


def uncounted_hours() -> Check:
    """Create a visitor and a file that the dashboard does not count yet."""
    cache.clear()
    uploaded(started())
    HourlyFigure.objects.all().delete()  # the last count is long ago

    def check() -> None:
        result = dict(HourlyFigure.objects.values_list("name").annotate(Sum("value")))
        stored = UploadedFile.objects.filter(stored_at__isnull=False)
        assert result["started"] == UserSession.objects.count()
        assert result["uploads"] == stored.count()
        assert result["uploaded_bytes"] == stored.aggregate(Sum("size"))["size__sum"]

    return check


def unsealed_rows() -> Check:
    """Create events after the last head, which is long enough ago."""
    unverified_seal()
    SealHead.objects.update(sealed_at=F("sealed_at") - sealer.INTERVAL)
    last = write_rows(3)[-1]
    heads = SealHead.objects.count() + 1

    def check() -> None:
        assert SealHead.objects.count() == heads
        assert SealState.objects.get().low_water == last.pk
        assert SealAnchor.objects.get().head == heads
        check_chain()

    return check


def unverified_seal() -> Check:
    """Create a sealed log that is not verified yet."""
    if not keys.key_path().exists():
        key_files.create_key()
    write_rows(3)
    sealer.seal_all()
    anchors.write_waiting()
    SealState.objects.update(verified_at=None, verified_head=0)

    def check() -> None:
        state = SealState.objects.get()
        assert (state.verified_head, state.verify_problem) == (state.head, "")

    return check


# Set by the scenario before each delivery.
TRASHED: list[str] = []


def objects_trashed() -> Check:
    """Create objects in the trash to restore, and one that stays there."""
    TRASHED[:] = [object_key(uuid.uuid4(), uuid.uuid4(), "pdf") for _ in range(3)]
    stays = object_key(uuid.uuid4(), uuid.uuid4(), "pdf")
    for key in (*TRASHED, stays):
        body = plant(quarantine_key(key)).read_bytes()
        QuarantinedObject.objects.create(
            key=key, size=len(body), modified_at=timezone.now(), status="quarantined"
        )
    keys = tuple(TRASHED)

    def check() -> None:
        # The next cleanup does the same with an interrupted restore.
        trash.finish(list(QuarantinedObject.objects.cut_off()))
        states = dict(QuarantinedObject.objects.values_list("key", "status"))
        assert [states[key] for key in (*keys, stays)] == ["restored"] * 3 + ["quarantined"]
        assert set(keys) <= stored_keys()
        result = AuditLog.objects.filter(target__in=keys).values_list("event_type", flat=True)
        assert list(result) == ["object.restored"] * 3

    return check


class DeliveryScenario(NamedTuple):
    """Creates work for a task and returns a check of its effect; also the task's arguments."""

    make: Callable[[], Check]
    arguments: tuple[Any, ...] = ()


SCENES = {
    "audit_app.tasks.seal_audit": DeliveryScenario(unsealed_rows),
    "audit_app.tasks.verify_audit": DeliveryScenario(unverified_seal),
    "maria_project.tasks.heartbeat": DeliveryScenario(nothing),
    "maria_project.tasks.count_figures": DeliveryScenario(uncounted_hours),
    "sessions_app.tasks.expire_sessions": DeliveryScenario(due_sessions),
    "sessions_app.tasks.forget_visitors": DeliveryScenario(visitors_past_retention),
    "uploads_app.tasks.cleanup_orphans": DeliveryScenario(removable_files),
    "uploads_app.tasks.cleanup_orphans_for": DeliveryScenario(removable_files, (1, False)),
    "uploads_app.tasks.give_back_for": DeliveryScenario(objects_trashed, (1, TRASHED)),
    "uploads_app.tasks.watch_cleanup": DeliveryScenario(failing_cleanup),
    "uploads_app.tasks.inspect_uploads": DeliveryScenario(uninspected_files),
}
every_task = pytest.mark.parametrize("task", SCENES)


@pytest.fixture(autouse=True)
def seal_files(settings: Any, tmp_path: Path) -> None:
    """Let the seal have its files in a folder of the test."""
    settings.AUDIT_SEAL_KEY_FILE = tmp_path / "seal_key.pem"
    settings.AUDIT_SEAL_PUBLIC_KEYS_FILE = tmp_path / "seal_keys.json"


def test_t77_every_task_has_a_scenario() -> None:
    """A new task needs a scenario above."""
    names = [f"{path.parent.name}.tasks" for path in ROOT.glob("*/tasks.py")]
    tasks = {
        f"{name}.{function}"
        for name in names
        for function, of in inspect.getmembers(importlib.import_module(name), inspect.isfunction)
        if of.__module__ == name and not function.startswith("_")
    }
    assert tasks == set(SCENES)


def test_t77_queue_waits_for_a_task_to_end_before_it_is_delivered_again() -> None:
    queue = project.Q_CLUSTER
    assert RUN_SECONDS < queue["timeout"] < queue["retry"]
    assert INSPECT_SECONDS + WALL_SECONDS < RUN_SECONDS
    assert timedelta(seconds=queue["retry"]) > marker.LEASE
    assert (queue["max_attempts"], queue["ack_failures"], queue["catch_up"]) == (3, True, False)
    # `retry` includes the wait: each worker can be busy with an earlier task.
    assert queue["queue_limit"] <= 10


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.usefixtures("committed")
@every_task
def test_t77_three_deliveries_at_once_have_one_effect(task: str) -> None:
    for _ in range(ROUNDS):
        check = SCENES[task].make()
        for _ in range(AT_ONCE):
            async_task(task, *SCENES[task].arguments)

        children = [fork(deliver) for _ in range(AT_ONCE)]
        for child in children:
            child.go()
        ends = [child.end() for child in children]

        assert [code for code, _ in ends] == [0] * AT_ONCE, ends
        check()
        async_task(task, *SCENES[task].arguments)
        deliver_now()
        check()
    assert not OrmQ.objects.exists()
    assert Success.objects.filter(func=task).count() == ROUNDS * (AT_ONCE + 1)
    assert not CleanupRun.objects.exclude(status__in=[RunStatus.COMPLETED, RunStatus.SKIPPED])


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.timeout(3600 if SOAK else 300)
@pytest.mark.usefixtures("committed")
@every_task
def test_t78_task_of_a_killed_worker_is_finished_once(task: str) -> None:
    need_strace()
    kills = 0
    for call, every in EVERY.items():
        for number in count(1, every):
            if kills == KILLS or not finished_though_killed(task, call, number):
                break
            kills += 1
    assert kills >= 2, "too few workers were killed"


def finished_though_killed(task: str, call: str, number: int) -> bool:
    """Kill the worker before that system call and deliver again; return False if it made no such call."""
    check = SCENES[task].make()
    name = async_task(task, *SCENES[task].arguments)
    child = fork(deliver)
    child.kill_before(call, number)
    child.go()
    code, lines = child.end()
    assert code in (0, -9), lines
    wait_for_other_backends()

    # The worker died before it could acknowledge. It and the next delivery may call more workers.
    for _ in range(DELIVERIES):
        if OrmQ.objects.exists():
            deliver_now()
    assert not OrmQ.objects.exists()
    assert Success.objects.filter(pk=name).count() == 1
    check()
    return code == -9

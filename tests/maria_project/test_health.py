"""`/health/ready` reports each part: 503 only if no request can succeed, otherwise `degraded`."""

from datetime import timedelta
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Success

from common.worker import HEARTBEAT_FUNC, QUEUE_PATIENCE
from maria_project import database
from maria_project.health import parts, watch
from tests.cases import cases
from tests.maria_project.server import wait_for
from tests.uploads_app.cleanup.cleanup_support import cleanup, settled, use_store
from uploads_app.cleanup.alerts import PATIENCE
from uploads_app.cleanup.stop_codes import KILLED
from uploads_app.models import CleanupRun, RunStatus, StoreState

SECOND = timedelta(seconds=1)
GOOD = dict.fromkeys(
    (
        "database", "migrations", "clock", "queue", "cleanup", "inspection", "peers", "cache",
        "storage", "spool",
    ),
    "ok",
)  # fmt: skip
around = pytest.mark.parametrize(
    ("off", "state"),
    [(-20 * SECOND, "ok"), (timedelta(0), "degraded"), (SECOND, "degraded")],
    ids=["just under", "exactly", "just over"],
)


@pytest.fixture
def healthy(db: None) -> None:
    """A deployment with a recent heartbeat and a recent cleanup run."""
    beat(timedelta(0))
    settled()


def beat(ago: timedelta, func: str = HEARTBEAT_FUNC) -> None:
    """Write the row of a heartbeat that ended so long ago."""
    Success.objects.all().delete()
    then = timezone.now() - ago
    Success.objects.create(
        id="beat", name="beat", func=func, started=then, stopped=then, success=True
    )


def ready() -> tuple[int, str, dict[str, str]]:
    """Return the HTTP status, the worst state, and the parts."""
    response = Client().get("/health/ready")
    document = response.json()
    assert response["Content-Type"] == "application/json"
    return response.status_code, document["status"], document["parts"]


def assert_degraded(part: str) -> None:
    assert ready() == (200, "degraded", {**GOOD, part: "degraded"})


def test_a_healthy_deployment_is_ok(healthy: None) -> None:
    assert ready() == (200, "ok", GOOD)


def test_a_request_writes_nothing_to_the_store(healthy: None, own_store: Any) -> None:
    before = sorted(own_store.rglob("*"))
    ready()
    assert sorted(own_store.rglob("*")) == before


@cases("path", ["/health/ready", "/health/live"])
@cases("method", ["post", "put", "patch", "delete"])
def test_health_is_only_read(db: None, method: str, path: str) -> None:
    assert getattr(Client(), method)(path).status_code == 405


def test_live_makes_no_query() -> None:
    """pytest-django refuses every query here."""
    response = Client().get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_live_does_not_check_whether_the_database_is_back(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another request makes that check, which takes seconds while the database is away."""
    monkeypatch.setattr(database._breaker, "seconds", 0)
    lost = OperationalError("the server is gone")
    lost.__cause__ = psycopg.OperationalError()
    database.failed(lost)

    with CaptureQueriesContext(connection) as queries:
        assert Client().get("/health/live").status_code == 200
    assert len(queries) == 0

    assert Client().get("/admin/login/").status_code == 200, "the database is back"


@pytest.mark.both
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_without_a_database_it_is_not_ready(healthy: None, error: type[Exception]) -> None:
    def fail(*_: Any) -> NoReturn:
        raise error("the server is gone")

    with connection.execute_wrapper(fail):
        assert ready() == (
            503,
            "failed",
            {"database": "failed", "migrations": "failed", "clock": "ok"},
        )
        assert Client().get("/health/live").status_code == 200
    assert ready() == (200, "ok", GOOD)


def test_with_a_pending_migration_it_is_not_ready(healthy: None) -> None:
    newest = MigrationRecorder.Migration.objects.filter(app="uploads_app").latest("id").name
    MigrationRecorder(connection).record_unapplied("uploads_app", newest)
    assert ready() == (503, "failed", {"database": "ok", "migrations": "failed", "clock": "ok"})


def test_a_store_that_is_not_a_folder_is_degraded(
    healthy: None, settings: Any, tmp_path: Any
) -> None:
    (tmp_path / "file").write_text("in its place")
    settings.STORAGES = {
        **settings.STORAGES,
        "uploads": {**settings.STORAGES["uploads"], "OPTIONS": {"location": tmp_path / "file"}},
    }
    assert_degraded("storage")


def test_a_worker_without_a_heartbeat_is_degraded(healthy: None) -> None:
    Success.objects.all().delete()
    assert_degraded("queue")


def test_another_task_is_not_a_heartbeat(healthy: None) -> None:
    beat(timedelta(0), func="uploads_app.tasks.cleanup_orphans")
    assert_degraded("queue")


@around
def test_a_heartbeat_is_valid_for_six_minutes(healthy: None, off: timedelta, state: str) -> None:
    assert timedelta(minutes=6) == QUEUE_PATIENCE
    beat(QUEUE_PATIENCE + off)
    assert ready()[2]["queue"] == state


def test_a_cleanup_that_never_ran_is_degraded_after_two_intervals(db: None) -> None:
    beat(timedelta(0))
    assert ready() == (200, "ok", GOOD)
    first = timezone.now() - PATIENCE
    Success.objects.create(
        id="first", name="first", func="x", started=first, stopped=first, success=True
    )
    assert_degraded("cleanup")
    settled("--dry-run")
    assert_degraded("cleanup")
    settled()
    assert ready() == (200, "ok", GOOD)


@around
def test_a_cleanup_run_is_valid_for_thirty_five_minutes(
    healthy: None, off: timedelta, state: str
) -> None:
    assert timedelta(minutes=35) == PATIENCE
    CleanupRun.objects.update(started_at=timezone.now() - PATIENCE - off)
    assert ready()[2]["cleanup"] == state


def test_a_stopped_cleanup_is_degraded_until_a_run_completes(healthy: None, settings: Any) -> None:
    use_store(settings, clock_off=timedelta(hours=1))
    assert cleanup().exit_code == 3
    assert_degraded("cleanup")
    settled_dry = CleanupRun.objects.create(
        dry_run=True, status=RunStatus.COMPLETED, actor="x", grace=SECOND, limit=1
    )
    assert settled_dry.pk
    assert_degraded("cleanup")
    use_store(settings)
    settled()
    assert ready() == (200, "ok", GOOD)


def test_a_running_or_skipped_cleanup_does_not_hide_the_last_result(healthy: None) -> None:
    CleanupRun.objects.create(actor="x", grace=SECOND, limit=1)
    assert ready() == (200, "ok", GOOD)
    StoreState.objects.update(
        lease_holder="another run", lease_expires_at=timezone.now() + timedelta(minutes=5)
    )
    assert cleanup().out.startswith("Skipped")
    assert ready() == (200, "ok", GOOD)


@pytest.mark.both
def test_a_killed_cleanup_is_degraded_only_when_no_run_completes_in_time(
    healthy: None,
) -> None:
    CleanupRun.objects.create(
        actor="x", grace=SECOND, limit=1, status=RunStatus.STOPPED, stop_code=KILLED
    )
    assert ready() == (200, "ok", GOOD)
    CleanupRun.objects.update(started_at=timezone.now() - PATIENCE)
    assert_degraded("cleanup")
    settled()
    assert ready() == (200, "ok", GOOD)


def test_a_check_that_raises_is_a_problem_until_it_succeeds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[KeyError] = []

    def check() -> str:
        if not seen:
            seen.append(KeyError("unexpected"))
            raise seen[0]
        return ""

    part = parts.Part("odd", check, seconds=60)
    monkeypatch.setattr(watch, "GROUPS", ((part,),))
    monkeypatch.setattr(watch, "PARTS", (part,))
    monkeypatch.setattr(watch, "RETRY_SECONDS", 1)
    started = watch.Watch()
    started.start()

    wait_for(lambda: started.problems()["odd"] == "")
    assert seen

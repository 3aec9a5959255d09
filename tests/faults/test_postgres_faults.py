"""PostgreSQL is killed or hangs under a running web server; committed work stays.

While it is away, the API answers every request with 503 and Retry-After in
bounded time. Afterwards the web server works again without a restart.
"""

import subprocess
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.db import connection

from maria_project import web as web_process
from tests import postgres
from tests.faults.load import LoadAnswer, Web, serving, together
from tests.helpers import SOAK
from tests.maria_project.server import MANAGE, ROOT, environment, wait_for
from tests.uploads_app.samples import PLENTY

pytestmark = pytest.mark.slow  # these tests start their own server

ROUNDS = 20 if SOAK else 1
GOOD = {200, 201, 415}
CROWD = 32 if SOAK else 16  # four times the web server's threads, or twice as many
# The figures of the requirement.
ANSWERED_SECONDS = 10
WAITING_COMMITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
BACK_SECONDS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL that syncs its files; skips without one, fails in continuous integration."""
    postgres.need_postgres()
    with postgres.serving(fsync=True) as running:
        yield running


@pytest.fixture(scope="module")
def env(
    tmp_path_factory: pytest.TempPathFactory, server: postgres.PostgresServer
) -> dict[str, str]:
    """The environment of processes that use that server; it is migrated."""
    limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
    env = environment(tmp_path_factory.mktemp("data"), DATABASE_URL=server.url, **limits)
    subprocess.run([*MANAGE, "migrate", "-v0"], env=env, cwd=ROOT, check=True)
    return env


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Iterator[Web]:
    """The web server of `./run`, on that PostgreSQL."""
    with serving(tmp_path_factory.mktemp("web"), env) as running:
        running.begin()
        yield running


def assert_unavailable(answer: LoadAnswer) -> None:
    assert (answer.status, answer.code) == (503, "database_unavailable"), answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.document["request_id"] == answer.headers["X-Request-ID"]
    assert 1 <= int(answer.headers["Retry-After"]) <= 10


def crowd(web: Web) -> list[LoadAnswer]:
    """Send many requests at once and return the answers."""
    jobs = [web.current, web.create, web.upload, web.files]
    return together(jobs * (CROWD // len(jobs)), CROWD)


def assert_well(web: Web) -> None:
    """Check that every kind of request succeeds again."""
    answers = crowd(web)
    assert {answer.status for answer in answers} == GOOD, answers
    assert web.wait_for_health("database", "ok") == 200


def test_t81_killed_database_is_503_and_requests_succeed_soon_after_its_restart(
    server: postgres.PostgresServer, web: Web
) -> None:
    lost, recovered = "The database does not answer", "The database answers again"
    before = web.logged(lost), web.logged(recovered)
    for _ in range(ROUNDS):
        assert_well(web)
        server.kill()
        try:
            answers = crowd(web) + crowd(web)
            for answer in answers:
                assert_unavailable(answer)
                assert answer.seconds < ANSWERED_SECONDS
            page = web.ask("GET", "/admin/login/")
            assert (page.status, page.headers["Retry-After"]) == (503, "5")
            assert "database does not answer" in page.document["text"]
            assert web.wait_for_health("database", "failed") == 503
            assert web.ask("GET", "/health/live").status == 200
        finally:
            server.start()
        back = time.monotonic()
        wait_for(lambda: web.current().status == 200, BACK_SECONDS, "the database's return")
        assert time.monotonic() - back < BACK_SECONDS
        assert_well(web)
    assert web.logged(lost) == before[0] + ROUNDS
    assert web.logged(recovered) == before[1] + ROUNDS


def test_t81_hanging_database_is_answered_within_ten_seconds(
    server: postgres.PostgresServer, web: Web
) -> None:
    for _ in range(ROUNDS):
        assert_well(web)
        try:
            # The requests are at different stages.
            during = together(
                [web.create, web.current, web.upload] * (CROWD * 5 // 4), CROWD, server.pause
            )
            after = crowd(web)
            assert web.wait_for_health("database", "failed") == 503
            ready = web.ask("GET", "/health/ready")
            live = web.ask("GET", "/health/live")
        finally:
            server.resume()
        failed = [answer for answer in during if answer.status not in GOOD]
        assert failed
        for answer in [*failed, *after]:
            assert_unavailable(answer)
        assert live.status == 200
        slowest = max(answer.seconds for answer in [*during, *after, ready, live])
        assert slowest < ANSWERED_SECONDS
        wait_for(lambda: web.current().status == 200, BACK_SECONDS, "the database's return")
        assert_well(web)


def test_a_change_that_a_failover_would_undo_is_not_acknowledged(
    server: postgres.PostgresServer, web: Web
) -> None:
    assert_well(web)
    lost = web.logged("The database does not answer")
    with (
        postgres.standby_of(server) as standby,
        psycopg.connect(server.url, autocommit=True) as sql,
    ):
        try:
            sql.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            sql.execute("SELECT pg_reload_conf()")
            wait_for(lambda: web.create().status == 201, what="a synchronous commit")
            standby.pause()
            changes = together([web.create] * 4, 4)
            assert {(one.status, one.code) for one in changes} == {(503, "database_unavailable")}
            # Neither the server nor the other visitors wait.
            assert sql.execute(WAITING_COMMITS).fetchall() == [(0,)]
            assert web.current().status == 200
            assert web.logged("The database does not answer") == lost
            standby.resume()
            wait_for(lambda: web.create().status == 201, what="a synchronous commit")
        finally:
            standby.resume()
            sql.execute("ALTER SYSTEM RESET synchronous_standby_names")
            sql.execute("SELECT pg_reload_conf()")
    assert_well(web)


ENQUEUE = """
from contextlib import suppress
from django.db import transaction
from django_q.models import OrmQ
from django_q.tasks import async_task
with suppress(ValueError), transaction.atomic():
    async_task("maria_project.tasks.heartbeat", task_name="rolled back")
    raise ValueError
with transaction.atomic():
    async_task("maria_project.tasks.heartbeat", task_name="committed")
task = OrmQ.objects.get()
print(task.pk, task.name(), flush=True)
input()
"""


def test_t80_task_of_a_committed_transaction_survives_a_database_crash(
    server: postgres.PostgresServer, env: dict[str, str]
) -> None:
    with subprocess.Popen(
        [*MANAGE, "shell", "-v0", "-c", ENQUEUE], env=env, cwd=ROOT,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as enqueuing:  # fmt: skip
        assert enqueuing.stdout
        number, name = enqueuing.stdout.readline().decode().split()
        assert name == "committed"
        server.kill()
        enqueuing.kill()
    server.start()

    with psycopg.connect(server.url) as connection:
        tasks = connection.execute("SELECT id FROM django_q_ormq").fetchall()
    assert tasks == [(int(number),)]


def test_web_processes_have_a_pool_with_deadlines(monkeypatch: pytest.MonkeyPatch) -> None:
    postgresql: dict[str, Any] = {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": 60,
        "OPTIONS": {"options": "-c a=b"},
    }
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "CONN_MAX_AGE": 60}
    monkeypatch.setattr(web_process, "_serve", lambda *_: None)
    monkeypatch.setattr(web_process, "open_sockets", lambda *_: [])
    for database in (postgresql, sqlite):
        monkeypatch.setattr(
            web_process, "settings", SimpleNamespace(DATABASES={"default": database})
        )
        web_process.main([])

    assert postgresql["CONN_MAX_AGE"] == 0
    assert postgresql["OPTIONS"].get("pool", {}).get("max_size", 0) >= web_process.THREADS
    assert postgresql["OPTIONS"]["options"].endswith(" -c a=b")
    assert sqlite["CONN_MAX_AGE"] == 60


@pytest.mark.both
def test_other_processes_have_no_pool() -> None:
    assert "pool" not in connection.settings_dict["OPTIONS"]

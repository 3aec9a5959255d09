"""A PostgreSQL that accepts no change: 503 for changes, answers to reads, and health names it.

It recovers without a restart. A schema that is older than the program gets 503 everywhere,
so that a proxy asks another host.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.faults.load import Web, serving
from tests.maria_project.server import MANAGE, ROOT, environment, wait_for

pytestmark = pytest.mark.slow  # these tests start their own servers

READ_ONLY = "The database is read-only."
PENDING = "Migrations are pending. Run manage.py migrate."
NEWEST = "SELECT max(id) FROM django_migrations WHERE app = 'uploads_app'"


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database of a server of its own."""
    postgres.need_postgres()
    with postgres.running() as url:
        yield url


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory, database: str) -> dict[str, str]:
    env = environment(tmp_path_factory.mktemp("data"), DATABASE_URL=database)
    subprocess.run([*MANAGE, "migrate", "-v0"], env=env, cwd=ROOT, check=True)
    return env


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Iterator[Web]:
    with serving(tmp_path_factory.mktemp("web"), env) as running:
        wait_for(lambda: running.ready()[0] == 200, what="ready")
        running.begin()
        yield running


def execute(database: str, *statements: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def problems(web: Web) -> dict[str, str]:
    found: dict[str, str] = web.ask("GET", "/health/ready").document["problems"]
    return found


def test_read_only_database_refuses_changes_and_answers_reads(
    web: Web, database: str, env: dict[str, str], tmp_path: Path
) -> None:
    execute(
        database, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"
    )
    try:
        wait_for(lambda: problems(web).get("database") == READ_ONLY, what="health to notice")
        assert web.ready()[0] == 503
        for answer in (web.create(), web.upload()):
            assert (answer.status, answer.code) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
        assert web.files().status == 200
        assert web.ask("GET", "/health/live").status == 200
        run = subprocess.run(
            [*MANAGE, "cleanup_orphans"], env=env, cwd=ROOT, capture_output=True, text=True
        )
        assert (run.returncode, "(database_standby)" in run.stderr) == (3, True), run.stderr
    finally:
        execute(
            database,
            "SET default_transaction_read_only = off",
            "ALTER SYSTEM RESET default_transaction_read_only",
            "SELECT pg_reload_conf()",
        )
    wait_for(lambda: web.ready()[0] == 200, what="health to notice")
    assert web.create().status == 201
    assert not web.logged("Traceback")


def test_older_schema_is_503_everywhere_until_it_is_migrated(web: Web, database: str) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute(f"DELETE FROM django_migrations WHERE id = ({NEWEST}) RETURNING *")
        values = row.fetchone()
        assert values
        wait_for(lambda: problems(web).get("migrations") == PENDING, 30, "health to notice")
        for answer in (web.create(), web.current(), web.ask("GET", "/admin/login/")):
            assert (answer.status, answer.headers.get("Retry-After")) == (503, "5")
        connection.execute("INSERT INTO django_migrations VALUES (%s, %s, %s, %s)", values)
    wait_for(lambda: web.current().status == 200, 30, "health to notice")
    assert problems(web).keys() == {"queue"}

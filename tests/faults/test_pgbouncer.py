"""The product works behind PgBouncer in transaction mode, on few connections to the server."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests import postgres, scratch
from tests.faults.load import serving, together
from tests.helpers import pdf
from tests.maria_project.server import MANAGE, ROOT, environment, process, wait_for
from tests.need import missing
from tests.ports import free_port
from tests.uploads_app.samples import PLENTY

pytestmark = pytest.mark.slow

CONNECTIONS = 3
ROUNDS = 6
# What a statement leaves in its connection is gone after each transaction. In real use another
# visitor may get the connection, or may not.
CONFIGURATION = """
[databases]
postgres = host=127.0.0.1 port={server} user=maria
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
ignore_startup_parameters = options
server_reset_query = DISCARD ALL
server_reset_query_always = 1
"""
CONNECTED = """
SELECT count(*) FROM pg_stat_activity
WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
ENQUEUE = """
from django_q.tasks import async_task
async_task("uploads_app.tasks.cleanup_orphans", task_name="cleanup")
"""
CLEANED = "SELECT result FROM django_q_task WHERE success AND name = 'cleanup'"
FAILED = "SELECT func, result FROM django_q_task WHERE NOT success"


@pytest.fixture
def server() -> Iterator[postgres.PostgresServer]:
    """A PostgreSQL; skips without one or without PgBouncer, fails in continuous integration."""
    if postgres.find_programs() is None or not shutil.which("pgbouncer"):
        missing("PostgreSQL or PgBouncer is missing: apt-get install postgresql pgbouncer")
    with postgres.serving() as running:
        yield running


@pytest.fixture
def pooled(server: postgres.PostgresServer) -> Iterator[str]:
    """The address of that database behind PgBouncer, as docs/cluster.md has it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="maria-", dir=scratch.fast_folder()) as name:
        folder = Path(name)
        user = postgres.unprivileged_user(folder)
        file = folder / "pgbouncer.ini"
        text = CONFIGURATION.format(server=server.port, port=port, connections=CONNECTIONS)
        file.write_text(text)
        file.chmod(0o644)
        running = subprocess.Popen(["pgbouncer", "-q", str(file)], user=user, cwd=folder)
        url = f"postgres://maria@127.0.0.1:{port}/postgres"
        try:
            wait_for(lambda: is_open(url), what="PgBouncer")
            yield f"{url}?pgbouncer=true"
        finally:
            running.terminate()
            running.wait(30)


def is_open(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return False
    return True


def test_visitors_and_the_worker_work_on_three_connections(
    server: postgres.PostgresServer, pooled: str, tmp_path: Path
) -> None:
    limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
    env = environment(tmp_path, DATABASE_URL=pooled, **limits)
    manage({**env, "DATABASE_URL": server.url}, "migrate")
    manage(env, "seed_demo", "--sessions=40")

    with (
        psycopg.connect(server.url, autocommit=True) as sql,
        serving(tmp_path, env) as web,
        process([*MANAGE, "qcluster"], env, tmp_path / "worker"),
    ):
        web.begin()
        proof = {"Cookie": web.cookie, "X-Session-UUID": web.uuid}
        file = {"file": ("a.pdf", pdf(), "application/pdf")}
        assert web.ask("POST", "/api/v1/uploads/", headers=proof, files=file).status == 201
        jobs = [web.create, web.current, web.files, web.upload] * ROUNDS
        manage(env, "cleanup_orphans", "--dry-run")  # It reads rows in parts.
        manage(env, "shell", "-c", ENQUEUE)
        answers = together(jobs, len(jobs))
        wait_for(lambda: sql.execute(CLEANED).fetchall(), 60, "a cleanup")

        assert {answer.status for answer in answers} == {200, 201, 415}, answers
        assert sql.execute(CONNECTED).fetchall() <= [(CONNECTIONS,)]
        assert sql.execute(FAILED).fetchall() == []


def manage(env: dict[str, str], *arguments: str) -> None:
    done = subprocess.run([*MANAGE, *arguments, "-v0"], env=env, cwd=ROOT, check=False)
    assert done.returncode == 0, arguments

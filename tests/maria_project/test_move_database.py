"""`manage.py move_database`: killed at every batch border, and nothing is lost, doubled or changed."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg import sql

from backoffice_app.models import ProcessKind
from tests import postgres
from tests.helpers import SOAK
from tests.maria_project.server import MANAGE, ROOT, environment

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

ROWS_PER_BATCH = 100
# After the rows, ./test kills at every 40th step and the soak at each.
EVERY = 1 if SOAK else 40
ALWAYS = {"DJANGO_SETTINGS_MODULE": "maria_project.settings", "SECRET_KEY": "kept"}


KILLED_BEFORE_THE_COMPARISON = """
import os, django
django.setup()
from django.core.management import call_command
from maria_project.database_move.move import DatabaseMove
DatabaseMove._compare = lambda *_: os._exit(9)
call_command("move_database")
"""


@dataclass
class Deployment:
    """A deployment on SQLite, and an empty PostgreSQL for it."""

    folder: Path
    url: str

    @property
    def file(self) -> Path:
        return self.folder / "db.sqlite3"

    def run(self, *arguments: str, url: str = "") -> subprocess.CompletedProcess[str]:
        env = environment(self.folder, DATABASE_URL=url, **ALWAYS)
        return subprocess.run(
            arguments, env=env, cwd=ROOT, capture_output=True, text=True, check=False
        )

    def data(self, *arguments: str, url: str = "") -> Any:
        done = self.run(sys.executable, "-m", "tests.maria_project.moved_rows", *arguments, url=url)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    postgres.need_postgres()
    with postgres.running() as url:
        yield url


@pytest.fixture
def deployment(tmp_path: Path, server: str) -> Deployment:
    name = f"moved_{tmp_path.name[-1]}_{id(tmp_path)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    old_database(tmp_path / "db.sqlite3")
    return Deployment(tmp_path, f"{server.rpartition('/')[0]}/{name}")


@pytest.mark.timeout(3600 if SOAK else 900)
def test_a_move_that_is_killed_at_every_batch_moves_everything(deployment: Deployment) -> None:
    before = deployment.data("fill")

    moved = deployment.run(
        sys.executable, "-m", "tests.maria_project.killed_moves",
        str(deployment.file), str(ROWS_PER_BATCH), str(EVERY), url=deployment.url,
    )  # fmt: skip

    *_, done, end = moved.stdout.splitlines()
    assert end.endswith(" times, then 0"), moved.stdout + moved.stderr
    assert int(end.removeprefix("killed ").split()[0]) > sum(map(bool, before["rows"].values()))
    assert done.startswith("Done: ")
    assert (
        "Replaced 1 characters that PostgreSQL cannot store: django_q_ormq.payload" in moved.stdout
    )
    cookies = [json.dumps(one) for one in before["cookies"]]
    after = deployment.data("read", str(deployment.file), *cookies, url=deployment.url)
    log = after["rows"]["audit_app_auditlog"]
    log[:] = [row for row in log if "system.database_moved" not in row]
    for table, rows in before["rows"].items():
        assert after["rows"][table] == rows, table
    assert [status for status, *_ in after["opened"]] == [200, 200]
    assert [admin for *_, admin in after["opened"]] == [200, 302]
    assert after["next"] > before["last"]
    assert after["cleanup"].startswith("Nothing to do")
    assert after["again"].startswith("Nothing to do")


@pytest.mark.timeout(900)
def test_one_of_both_databases_is_refused_at_each_moment(deployment: Deployment) -> None:
    before, move = dump(deployment.file), [*MANAGE, "move_database"]
    killed = deployment.run(sys.executable, "-c", KILLED_BEFORE_THE_COMPARISON, url=deployment.url)
    assert killed.returncode == 9, killed.stderr

    assert "is being moved to PostgreSQL" in deployment.run(*MANAGE, "expire_sessions").stderr
    assert "maria_project.E011" in deployment.run(*MANAGE, "migrate", url=deployment.url).stderr

    with psycopg.connect(deployment.url, autocommit=True) as server:
        server.execute("UPDATE auth_group SET name = 'Suport' WHERE name = 'Support'")
        differ = deployment.run(*move, url=deployment.url)
        assert differ.returncode == 3
        assert "the rows differ in auth_group (3 rows, then 3)" in differ.stderr
        server.execute("UPDATE auth_group SET name = 'Support' WHERE name = 'Suport'")
    moved = deployment.run(*move, url=deployment.url)
    assert moved.returncode == 0, moved.stderr
    assert dump(deployment.file) == before

    worker = deployment.run(*MANAGE, "qcluster")
    assert worker.returncode == 1
    assert "was moved to PostgreSQL" in worker.stderr
    assert "can be used again" in deployment.run(*move, "--cancel").stdout
    again = deployment.run(*move, url=deployment.url)
    assert "The new database is not empty: audit_app_auditlog has rows" in again.stderr


def dump(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return "\n".join(database.iterdump())


def old_database(path: Path) -> Path:
    shutil.copyfile(Path(settings.DATA_DIR, "template.sqlite3"), path)
    return path


def test_a_move_is_refused_while_a_process_is_alive(tmp_path: Path) -> None:
    file = old_database(tmp_path / "db.sqlite3")
    with sqlite3.connect(file) as database:
        database.execute(
            "INSERT INTO backoffice_app_processreport (id, host, kind, version, migrations, keys,"
            " settings, clock_offset, seen_at) VALUES ('0', 'web-1', ?, '1', '{}', '[]', '{}', 0,"
            " strftime('%Y-%m-%d %H:%M:%f', 'now', '-74 seconds'))",
            [ProcessKind.WEB],
        )
    database.close()
    with pytest.raises(CommandError, match=r"The product is running: web-1 \(web\)"):
        call_command("move_database", source=file)


def test_a_move_is_refused_while_a_program_has_the_database_open(tmp_path: Path) -> None:
    file = old_database(tmp_path / "db.sqlite3")
    database = sqlite3.connect(file)
    database.execute("SELECT count(*) FROM auth_user")
    with pytest.raises(CommandError, match="Another program has"):
        call_command("move_database", source=file)
    database.close()


def test_a_move_needs_postgresql(tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        with pytest.raises(CommandError, match="DATABASE_URL does not name a PostgreSQL database"):
            call_command("move_database", source=old_database(tmp_path / "db.sqlite3"))
    with pytest.raises(CommandError, match="There is no database"):
        call_command("move_database", source=tmp_path / "other.sqlite3")

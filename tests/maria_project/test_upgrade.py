"""A database of the previous version can be opened, and keeps every row.

`tests/data/` holds one of each kind, made by that version's `seed_demo --sessions 12`.
"""

import lzma
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests import postgres
from tests.maria_project.server import MANAGE, ROOT

DATA = ROOT / "tests" / "data"
ROWS = {
    "sessions_app_usersession": 12,
    "uploads_app_uploadedfile": 29,
    "audit_app_auditlog": 1086,
    "auth_user": 4,
    "maria_project_hourlyfigure": 0,
}

pytestmark = pytest.mark.slow


def test_a_sqlite_file_of_the_version_before(tmp_path: Path) -> None:
    file = tmp_path / "db.sqlite3"
    file.write_bytes(lzma.decompress((DATA / "before_rooms.sqlite3.xz").read_bytes()))
    upgrade({"DATA_DIR": str(tmp_path), "DATABASE_URL": f"sqlite:///{file}"})


def test_a_postgresql_dump_of_the_version_before(tmp_path: Path) -> None:
    programs = postgres.need_postgres()
    dump = lzma.decompress((DATA / "before_rooms.sql.xz").read_bytes())
    with postgres.running() as url:
        load: list[str | Path] = [programs / "psql", "--quiet", "--set", "ON_ERROR_STOP=1", url]
        subprocess.run(load, input=dump, check=True, stdout=subprocess.DEVNULL)
        upgrade({"DATA_DIR": str(tmp_path), "DATABASE_URL": url})


def upgrade(env: dict[str, str]) -> None:
    """Migrate and compare: no table is created again, no row is lost, the product reads them."""
    migrated = manage(env, "migrate")
    applied = re.findall(r"Applying (\S+)\.\.\. OK", migrated)
    first = [name for name in applied if name.endswith("0001_initial")]
    assert sorted(first) == ["accounts.0001_initial", "backoffice_app.0001_initial"], migrated
    assert "No migrations to apply" in manage(env, "migrate")
    count = (
        "from django.db import connection\n"
        f"for table in {list(ROWS)}:\n"
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute(f'SELECT count(*) FROM {table}')\n"
        "        print(table, *cursor.fetchone())\n"
    )
    counted = dict(
        line.split() for line in manage(env, "shell", "-v", "0", "-c", count).splitlines()
    )
    assert counted == {table: str(rows) for table, rows in ROWS.items()}
    manage(env, "expire_sessions")


def manage(env: dict[str, str], *arguments: str) -> str:
    return subprocess.run(
        [*MANAGE, *arguments],
        env={**os.environ, "ENV_FILE": os.devnull, **env},
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout

"""Test databases: migrated once for each run and copied for each of its processes, emptied after a commit."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from audit_app import triggers

# Rows of a fresh database: permissions, groups, schedules. Filled by `prepare`.
_seed: dict[str, list[tuple[Any, ...]]] = {}
_MIGRATIONS = "django_migrations"


@contextmanager
def prepare(worker: str) -> Iterator[None]:
    """Give this process of the run a database of its own; the first one runs the migrations."""
    folder = Path(settings.DATA_DIR)
    original = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        name, template = str(folder / f"test-{worker}.sqlite3"), str(folder / "template.sqlite3")
    else:
        name, template = f"test_maria_{worker}", "test_maria_template"
    done = folder / f"{connection.vendor}.migrated"
    with (folder / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            connection.settings_dict["TEST"]["NAME"] = template
            connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
            # Closing the last connection also moves the write-ahead log into the file.
            connection.close()
            done.touch()
        _use(original)
        if connection.vendor == "sqlite":
            shutil.copyfile(template, name)
        else:
            _execute(
                f'DROP DATABASE IF EXISTS "{name}"',
                f'CREATE DATABASE "{name}" TEMPLATE "{template}"',
            )
    _use(name)
    _seed.update(_rows_of_every_table())
    yield
    connection.close()
    _use(original)
    if connection.vendor == "sqlite":
        Path(name).unlink()
    else:
        _execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def empty() -> None:
    """Delete the rows that a test has committed, except those of a new database.

    Django's flush would send `post_migrate`, which creates all permissions,
    groups and schedules again: a second of processor time for each test.
    The triggers of the audit log are off meanwhile, here and only here.
    """
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL session_replication_role = replica"
            )  # disables triggers and foreign keys
            _reset_rows(cursor)
    else:
        with (
            connection.constraint_checks_disabled(),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            lift_triggers()
            _reset_rows(cursor)
    triggers.install(connection.alias)


def lift_triggers() -> None:
    """Drop the triggers that keep the audit log append-only."""
    with connection.cursor() as cursor:
        for name, definition in triggers.wanted(connection.vendor).items():
            table = triggers.PERSONAL if triggers.PERSONAL in definition else triggers.LOG
            on = f" ON {table}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def _reset_rows(cursor: Any) -> None:
    quote = connection.ops.quote_name
    for table in _tables():
        seed = _seed.get(table, [])
        if seed and _rows(cursor, table) == seed:
            continue
        cursor.execute(f"DELETE FROM {quote(table)}")
        if seed:
            marks = ", ".join(["%s"] * len(seed[0]))
            rows = [[_parameter(value) for value in row] for row in seed]
            cursor.executemany(f"INSERT INTO {quote(table)} VALUES ({marks})", rows)


def _rows_of_every_table() -> dict[str, list[tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        return {table: rows for table in _tables() if (rows := _rows(cursor, table))}


def _rows(cursor: Any, table: str) -> list[tuple[Any, ...]]:
    cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)} ORDER BY 1")
    rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_known_tables: list[str] = []


def _tables() -> list[str]:
    if not _known_tables:
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        _known_tables.extend(sorted(set(names) - {_MIGRATIONS}))
    return _known_tables


def _parameter(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _use(name: Any) -> None:
    connection.close()
    settings.DATABASES[connection.alias]["NAME"] = connection.settings_dict["NAME"] = name


def _execute(*statements: str) -> None:
    """Run statements that are not allowed in a transaction, on the server's own database."""
    with connection.creation._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        for statement in statements:
            cursor.execute(statement)

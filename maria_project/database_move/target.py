"""The PostgreSQL database that receives the rows: its tables, indexes and foreign keys."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction

from backoffice_app.hosts.differences import reports
from backoffice_app.models import ProcessReport
from maria_project.database_move.source import MoveRefused

MIGRATIONS = "django_migrations"
# `manage.py migrate` fills these.
_FILLED_BY_MIGRATE = {
    MIGRATIONS,
    "auth_group",
    "auth_group_permissions",
    "auth_permission",
    "django_content_type",
    "django_q_schedule",
}
_LOCK = 0x4D415202
# What PostgreSQL writes must not depend on how it is configured.
_FORMATS = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
}
_CONSTRAINTS = """
SELECT k.conrelid::regclass::text, k.conname, k.contype::text, pg_get_constraintdef(k.oid)
FROM pg_constraint k JOIN pg_class t ON t.oid = k.conrelid
WHERE k.contype IN ('u', 'f') AND t.relnamespace = current_schema()::regnamespace
  AND t.relname = ANY(%s)
ORDER BY k.contype DESC, k.conname
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
WHERE t.relnamespace = current_schema()::regnamespace AND t.relname = ANY(%s)
  AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 1
"""
_COLUMNS = """
SELECT column_name, data_type FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER'
ORDER BY ordinal_position
"""


@dataclass(frozen=True)
class Definition:
    """An index or a constraint: how to create it, and how to drop it."""

    name: str
    create: str
    drop: str


def begin() -> None:
    """Set up this connection. Raises MoveRefused if another move into the database runs."""
    if connection.vendor != "postgresql":
        raise MoveRefused(
            "DATABASE_URL does not name a PostgreSQL database. Set it to the new, empty database, "
            "like postgres://user:password@host:5432/name."
        )
    for name, value in _FORMATS.items():
        execute("SELECT set_config(%s, %s, false)", name, value)
    if not execute("SELECT pg_try_advisory_lock(%s)", _LOCK)[0][0]:
        raise MoveRefused("Another move into this database is running.")


def running() -> list[str]:
    """Return the processes of the product that use this database."""
    if ProcessReport._meta.db_table not in connection.introspection.table_names():
        return []
    return [str(report) for report in reports()]


def create_tables() -> None:
    call_command("migrate", verbosity=0, interactive=False, skip_checks=True)


def tables() -> list[str]:
    """Return the tables that the product uses, those that others refer to first."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [*sorted({*names} - {MIGRATIONS}), MIGRATIONS]


def columns(table: str) -> list[tuple[str, str]]:
    """Return the columns of a table, each with its type."""
    return [(name, kind) for name, kind in execute(_COLUMNS, table)]


def migrations() -> set[tuple[str, str]]:
    return {(app, name) for app, name in execute(f"SELECT app, name FROM {MIGRATIONS}")}  # noqa: S608


def is_new() -> bool:
    """Return whether the database has no tables."""
    return not connection.introspection.table_names()


def empty(names: Iterable[str], *, was_new: bool) -> None:
    """Delete what `migrate` wrote. Raises MoveRefused if there may be anything else."""
    filled = [name for name in names if execute(f'SELECT 1 FROM "{name}" LIMIT 1')]  # noqa: S608
    others = sorted({*filled} - _FILLED_BY_MIGRATE)
    if others and not was_new:
        raise MoveRefused(
            f"The new database is not empty: {', '.join(others)} has rows. Create another database."
        )
    with _without_foreign_key_checks():
        for name in filled:
            execute(f'DELETE FROM "{name}"')  # noqa: S608


@contextmanager
def _without_foreign_key_checks() -> Iterator[None]:
    """Let all rows be deleted in any order: Django's foreign keys are checked at the commit."""
    execute("SET CONSTRAINTS ALL DEFERRED")
    yield
    execute("SET CONSTRAINTS ALL IMMEDIATE")


def definitions(names: list[str]) -> list[Definition]:
    """Return the indexes and constraints of tables, except primary keys, in the order of creation."""
    constraints = [
        (kind, Definition(name, f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}',
                          f'ALTER TABLE {table} DROP CONSTRAINT "{name}"'))
        for table, name, kind, definition in execute(_CONSTRAINTS, names)
    ]  # fmt: skip
    indexes = [
        Definition(name.strip('"'), definition, f"DROP INDEX {name}")
        for name, definition in execute(_INDEXES, names)
    ]
    unique = [one for kind, one in constraints if kind == "u"]
    foreign = [one for kind, one in constraints if kind == "f"]
    return [*unique, *indexes, *foreign]


def set_sequence(table: str, least: int) -> None:
    """Let the next number of a table's key be higher than all before."""
    found = execute(
        "SELECT a.attname, pg_get_serial_sequence(quote_ident(c.relname), a.attname)"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
        " WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = %s"
        " AND a.attidentity <> '' AND NOT a.attisdropped",
        table,
    )
    for column, sequence in found:
        execute(
            f'SELECT setval(%s, greatest(%s, (SELECT coalesce(max("{column}"), 0) FROM "{table}")) + 1, false)',  # noqa: S608
            sequence, least,
        )  # fmt: skip


def copy_in(table: str, names: list[str], lines: Iterable[bytes]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {_listed(table, names)} FROM STDIN") as copy,
    ):
        for line in lines:
            copy.write(line)


def copy_out(table: str, names: list[str]) -> Iterator[bytes]:
    """Yield each row as a line of COPY's text format."""
    with (
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy(f"COPY {_listed(table, names)} TO STDOUT") as copy,
    ):
        for line in copy:
            yield bytes(line)


def _listed(table: str, names: list[str]) -> str:
    columns = ", ".join(f'"{name}"' for name in names)
    return f'"{table}" ({columns})'


def execute(query: str, *values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []

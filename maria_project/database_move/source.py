"""The SQLite database that is moved: opened alone, read in the order of its rows."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backoffice_app.hosts.differences import REPORTED_WITHIN
from maria_project.database_move import marks
from maria_project.database_move.marks import Mark

Row = tuple[Any, ...]

_REPORTS = "backoffice_app_processreport"
_WAIT_SECONDS = 2
_AT_ONCE = 1000


class MoveRefused(Exception):
    """The move cannot begin or continue. The message says why, and what to do."""


@dataclass(frozen=True)
class SourceDatabase:
    """An open SQLite database. No other process can open it meanwhile."""

    path: Path
    connection: sqlite3.Connection

    @property
    def mark(self) -> Mark:
        return marks.read(self.connection)

    def set_mark(self, mark: Mark) -> None:
        marks.write(self.connection, mark)

    def tables(self) -> list[str]:
        found = self._rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
        )
        return sorted(name for (name,) in found)

    def columns(self, table: str) -> set[str]:
        return {row[1] for row in self._rows(f'PRAGMA table_info("{table}")')}

    def count(self, table: str) -> int:
        ((number,),) = self._rows(f'SELECT count(*) FROM "{table}"')  # noqa: S608
        return int(number)

    def last_number(self, table: str) -> int:
        """Return the highest number that the table's key has ever had."""
        found = self._rows("SELECT seq FROM sqlite_sequence WHERE name = ?", [table])
        return int(found[0][0]) if found else 0

    def migrations(self) -> set[tuple[str, str]]:
        if "django_migrations" not in self.tables():
            return set()
        return {(app, name) for app, name in self._rows("SELECT app, name FROM django_migrations")}

    def rows(self, table: str, columns: Sequence[str], after: int, limit: int) -> Iterator[Row]:
        """Yield up to `limit` rows behind the row number `after`, each with its row number first."""
        names = ", ".join(f'"{name}"' for name in columns)
        cursor = self.connection.execute(
            f'SELECT rowid, {names} FROM "{table}" WHERE rowid > ? ORDER BY rowid LIMIT ?',  # noqa: S608
            [after, limit],
        )
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from rows

    def running(self) -> list[str]:
        """Return the processes of the product that have reported themselves lately."""
        if _REPORTS not in self.tables():
            return []
        seconds = REPORTED_WITHIN.total_seconds()
        rows = self._rows(
            f"SELECT host, kind FROM {_REPORTS}"  # noqa: S608
            " WHERE seen_at > strftime('%Y-%m-%d %H:%M:%f', 'now', ?) ORDER BY host, kind",
            [f"-{seconds} seconds"],
        )
        return [f"{host} ({kind})" for host, kind in rows]

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        return self.connection.execute(query, values).fetchall()


@contextmanager
def opened(path: Path) -> Iterator[SourceDatabase]:
    """Open a database for this process alone. Raises MoveRefused if others have it open."""
    if not path.is_file():
        raise MoveRefused(f"There is no database {path}. Name it with --from.")
    connection = sqlite3.connect(path, timeout=_WAIT_SECONDS, isolation_level=None)
    try:
        _lock(connection, path)
        yield SourceDatabase(path, connection)
    finally:
        connection.close()


def _lock(connection: sqlite3.Connection, path: Path) -> None:
    """Lock the file until the connection is closed, against readers too."""
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise MoveRefused(
            f"Another program has {path} open ({error}). Stop ./run, the web processes, the worker, "
            "and any other program that uses it."
        ) from error
    except sqlite3.DatabaseError as error:
        raise MoveRefused(f"{path} cannot be read: {error}.") from error

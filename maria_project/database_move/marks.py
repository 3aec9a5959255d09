"""The mark in a SQLite file that says where its rows are now. Nothing opens a marked database.

The mark is in the header of the file, so a copy has it too, and no table changes.
"""

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

if TYPE_CHECKING:  # most processes of PostgreSQL never open a SQLite file
    import sqlite3

MOVE_AGAIN = "manage.py move_database"
CANCEL = "manage.py move_database --cancel"


class Mark(IntEnum):
    """Values of SQLite's `user_version`, which Django does not use."""

    NONE = 0
    MOVING = 0x4D415201
    MOVED = 0x4D415202


class DatabaseMoved(ImproperlyConfigured, OperationalError):
    """The database was moved to PostgreSQL, or the move has not finished.

    Commands print it as a wrong setting. A web process answers as without its database.
    """


def read(cursor: Any) -> Mark:
    (value,) = cursor.execute("PRAGMA user_version").fetchone()
    return Mark(value) if value in iter(Mark) else Mark.NONE


def write(database: "sqlite3.Connection", mark: Mark) -> None:
    database.execute(f"PRAGMA user_version = {mark:d}")


def refuse_marked(connection: Any, **_: Any) -> None:
    """Raise DatabaseMoved if a new connection is one to a marked database."""
    if connection.vendor != "sqlite":
        return
    mark = read(connection.connection)
    if mark == Mark.NONE:
        return
    name = connection.settings_dict["NAME"]
    connection.close()
    raise DatabaseMoved(sentence(mark, str(name)))


def sentence(mark: Mark, name: str) -> str:
    """Return what happened to a marked database, and what to do."""
    if mark == Mark.MOVED:
        return (
            f"The database {name} was moved to PostgreSQL and is not used any more. "
            f"Set DATABASE_URL to the new database. To use the old one again: {CANCEL}."
        )
    return (
        f"The database {name} is being moved to PostgreSQL. Set DATABASE_URL to the new database "
        f"and run {MOVE_AGAIN} until it says Done. To use the old one again: {CANCEL}."
    )

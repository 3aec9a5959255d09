"""What an error of the database means for the request or task that got it.

PostgreSQL names it by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html),
SQLite by a result code (https://www.sqlite.org/rescode.html).
"""

from enum import StrEnum

from django.db import DatabaseError, InterfaceError, OperationalError


class DatabaseFailure(StrEnum):
    """Failures that are not a fault of the statement. The value is for operators."""

    AWAY = "The database does not answer"
    BUSY = "The database could not finish a statement"
    READ_ONLY = "The database is read-only"
    OLD_SCHEMA = "The tables of the database do not fit this version of the program"


# Lost connection; server that starts or stops.
_AWAY = ("08", "57P")
# Rollback, resources, locks, cancelled statements, errors of the system.
_BUSY = ("40", "53", "55", "57", "58")
_READ_ONLY = "25006"
# Unknown column or table.
_OLD_SCHEMA = ("42703", "42P01")


def failure_of(error: BaseException) -> DatabaseFailure | None:
    """Return what is wrong with the database, None if the statement was wrong or it is another error."""
    if not isinstance(error, DatabaseError | InterfaceError):
        return None
    cause = error.__cause__
    if type(cause).__module__ == "sqlite3":
        return _on_sqlite(cause)
    state = getattr(cause, "sqlstate", None)
    if state is None:  # an error of the client library
        return (
            DatabaseFailure.AWAY if isinstance(error, OperationalError | InterfaceError) else None
        )
    if state == _READ_ONLY:
        return DatabaseFailure.READ_ONLY
    if state in _OLD_SCHEMA:
        return DatabaseFailure.OLD_SCHEMA
    if state.startswith(_AWAY):
        return DatabaseFailure.AWAY
    return DatabaseFailure.BUSY if state.startswith(_BUSY) else None


def describe(error: DatabaseError | InterfaceError) -> str:
    """Return what happened, for operators, with the first line of the error and without its values."""
    first_line = str(error).partition("\n")[0].rstrip(".")
    return f"{failure_of(error) or 'The database refused a statement'}: {first_line}."


def _on_sqlite(error: BaseException | None) -> DatabaseFailure | None:
    import sqlite3  # here, because no process of PostgreSQL needs it

    if not isinstance(error, sqlite3.OperationalError | sqlite3.InterfaceError):
        return None
    if str(error).startswith("no such ") or " has no column named " in str(error):
        return DatabaseFailure.OLD_SCHEMA
    is_read_only = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY
    return DatabaseFailure.READ_ONLY if is_read_only else DatabaseFailure.BUSY

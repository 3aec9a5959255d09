"""Reads of the log for the seal: plain tuples through a cursor, because a run reads many rows."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from audit_app.events import event_type
from audit_app.models import RetentionClass

_COLUMNS = "id, event_type, retention, text"
# Ranges in one statement.
_AT_ONCE = 200


class StoredRow(NamedTuple):
    id: int
    event_type: str
    retention: str | None
    text: str


def read_above(after: int, limit: int) -> list[StoredRow]:
    """Return the committed rows with ids above `after`, in order."""
    sql = f"SELECT {_COLUMNS} FROM audit_app_auditlog WHERE id > %s ORDER BY id LIMIT %s"  # noqa: S608
    return _read(sql, [after, limit])


def read_ranges(ranges: Sequence[range]) -> list[StoredRow]:
    """Return the committed rows with these ids, in order."""
    found: list[StoredRow] = []
    for start in range(0, len(ranges), _AT_ONCE):
        some = ranges[start : start + _AT_ONCE]
        condition = " OR ".join(["id BETWEEN %s AND %s"] * len(some))
        sql = f"SELECT {_COLUMNS} FROM audit_app_auditlog WHERE {condition} ORDER BY id"  # noqa: S608
        found += _read(sql, [bound for one in some for bound in (one.start, one.stop - 1)])
    return found


def class_of(name: str, column: str | None) -> str:
    """Return a row's class: that of its column, or for older rows that of its type."""
    if column:
        return column
    kind = event_type(name)
    return kind.retention if kind else RetentionClass.ORDINARY.value


def _read(sql: str, parameters: Sequence[int]) -> list[StoredRow]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return [StoredRow._make(row) for row in cursor.fetchall()]

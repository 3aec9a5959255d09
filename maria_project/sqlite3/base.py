"""The backend that `DATABASES` names: Django's, where what is always the same is done once.

Django rewrites the placeholders of a statement each time it runs, and takes a dozen calls
for each time that is written or read.
"""

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations
from django.db.backends.utils import debug_transaction

# At most this many statements are remembered.
_STATEMENTS = 1000


@lru_cache(_STATEMENTS)
def _with_question_marks(query: str) -> str:
    return base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")


class Cursor(base.SQLiteCursorWrapper):
    """A cursor that remembers statements in the form of SQLite."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        if param_names is None:
            return _with_question_marks(query)
        return super().convert_query(query, param_names=param_names)


class UtcOperations(DatabaseOperations):
    """Writes and reads times. The columns contain UTC, as the values do that the product makes."""

    def adapt_datetimefield_value(self, value: Any) -> Any:
        if type(value) is datetime and value.tzinfo is UTC and self._is_utc():
            return str(value.replace(tzinfo=None))
        return super().adapt_datetimefield_value(value)

    def convert_datetimefield_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if type(value) is datetime and value.tzinfo is None and self._is_utc():
            return value.replace(tzinfo=UTC)
        return super().convert_datetimefield_value(value, expression, connection)

    def _is_utc(self) -> bool:
        return bool(self.connection.timezone is UTC)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to SQLite."""

    ops_class = UtcOperations
    # Only a key of this type is the row's own number. With `bigint`, as Django has it, SQLite keeps
    # a second tree for the key of each table whose key refers to another table.
    data_types = {**base.DatabaseWrapper.data_types, "BigIntegerField": "integer"}

    def create_cursor(self, name: str | None = None) -> Cursor:
        cursor: Cursor = self.connection.cursor(factory=Cursor)
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        # Django makes a cursor for it, with twenty calls.
        mode: str | None = vars(self)["transaction_mode"]
        begin = f"BEGIN {mode}" if mode else "BEGIN"
        with self._shown(begin), self.wrap_database_errors:
            self.connection.execute(begin)

    def _commit(self) -> None:
        if self.connection is not None:
            with self._shown("COMMIT"), self.wrap_database_errors:
                self.connection.commit()

    def _shown(self, statement: str) -> AbstractContextManager[Any]:
        """Return the context that writes a statement to the list of queries, if there is one."""
        return debug_transaction(self, statement) if self.queries_logged else nullcontext()

"""Queries that PostgreSQL runs while the process does other work."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from django.db import connection, models

Rows = list[tuple[Any, ...]]


class QueryReader(Protocol):
    """Reads the rows of one query after the other."""

    def send(self, query: "models.QuerySet[Any, Any]") -> None:
        """Start a query: a `values_list` of columns that need no conversion, as texts."""

    def receive(self) -> Rows:
        """Return the rows of the query that was sent last."""


@contextmanager
def read_ahead() -> Iterator[QueryReader]:
    """Yield a reader whose queries run from `send` to `receive`, on a connection of its own.

    SQLite has no server that could run them meanwhile. Inside a transaction they must see
    its changes. In both cases a query runs when its rows are received.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        yield _LateReader()
        return
    own: Any = connection.copy()
    try:
        with (
            own.cursor() as cursor,
            own.wrap_database_errors,
            own.connection.pipeline() as pipeline,
        ):
            yield _EarlyReader(own, cursor, pipeline)
    finally:
        own.close()


class _LateReader:
    """Runs each query when its rows are received."""

    def send(self, query: "models.QuerySet[Any, Any]") -> None:
        self._query = query

    def receive(self) -> Rows:
        return list(self._query)


class _EarlyReader:
    """Sends each query at once. In pipeline mode libpq does not wait for its rows."""

    def __init__(self, own: Any, cursor: Any, pipeline: Any) -> None:
        self._own, self._cursor, self._pipeline = own, cursor, pipeline

    def send(self, query: "models.QuerySet[Any, Any]") -> None:
        self._cursor.execute(*query.query.get_compiler(connection=self._own).as_sql())

    def receive(self) -> Rows:
        rows: Rows = self._cursor.fetchall()
        self._pipeline.sync()  # ends the transaction: the next query has a new snapshot
        return rows

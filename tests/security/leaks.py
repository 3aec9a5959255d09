"""Where a secret could leak to: every column of the database, and every log line."""

import io
import logging
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection
from django.utils.module_loading import import_string


def database_text() -> str:
    """Return every column of every row of every table."""
    parts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                parts += [
                    bytes(value).decode("latin-1")
                    if isinstance(value, bytes | memoryview)
                    else str(value)
                    for value in row
                ]
    return "\n".join(parts)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """Everything that is logged at DEBUG, SQL included, as the product's own handler writes it."""
    config = settings.LOGGING
    sink = io.StringIO()
    handler = logging.StreamHandler(sink)
    handler.addFilter(import_string(config["filters"]["context"]["()"])())
    formatter = dict(config["formatters"]["json"])
    handler.setFormatter(import_string(formatter.pop("()"))(**formatter))
    watched = [logging.getLogger(), logging.getLogger("django.db.backends")]
    levels = [logger.level for logger in watched]
    watched[0].addHandler(handler)
    for logger in watched:
        logger.setLevel(logging.DEBUG)
    connection.force_debug_cursor = True
    yield sink
    connection.force_debug_cursor = False
    watched[0].removeHandler(handler)
    for logger, level in zip(watched, levels, strict=True):
        logger.setLevel(level)

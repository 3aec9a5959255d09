"""Removes deleted values from the database's own files and statistics, not only from its tables.

SQLite: with `secure_delete` a deleted row is overwritten, but its copies stay in
the write-ahead log until it is truncated, and where a page was split in unused
parts of pages, which only VACUUM writes anew. PostgreSQL: the planner's samples
contain values until the next ANALYZE. What stays physically is in docs/privacy.md.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, connection

# A request does not rewrite a larger database: all writers wait meanwhile. The worker does.
IN_REQUEST_BYTES = 32 * 1024 * 1024
# After a rewrite, requests leave the next one to the worker for so many times as long as it took.
PAUSE_FACTOR = 4
# Other connections finish their transactions in this time, or the next call tries again.
WAIT_MS = 1000
_PAUSE = "deleted-rows:pause"

logger = logging.getLogger(__name__)


def remove(*, tables: Sequence[str], in_request: bool) -> bool:
    """Remove what deleted rows have left behind; False if it must be tried again.

    Must be called outside a transaction, after the commit that deleted them.
    """
    try:
        with connection.cursor() as cursor:
            return _REMOVERS[connection.vendor](cursor, tables, in_request)
    except DatabaseError as error:  # another connection was in the way
        logger.info("Deleted rows are not overwritten yet: %s", error)
        return False


def _analyze(cursor: Any, tables: Sequence[str], in_request: bool) -> bool:
    cursor.execute(f"ANALYZE {', '.join(map(connection.ops.quote_name, tables))}")
    return True


def _rewrite(cursor: Any, tables: Sequence[str], in_request: bool) -> bool:
    with _short_wait(cursor):
        if not _truncate_log(cursor) or (in_request and _is_too_long(cursor)):
            return False
        started = time.monotonic()
        cursor.execute("VACUUM")
        cache.set(_PAUSE, True, PAUSE_FACTOR * (time.monotonic() - started))
        return _truncate_log(cursor)


def _truncate_log(cursor: Any) -> bool:
    """Move the write-ahead log into the database and empty it; False if somebody reads it."""
    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    is_busy, *_ = cursor.fetchone()
    return not is_busy


def _is_too_long(cursor: Any) -> bool:
    pages, size = (
        cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    return bool(pages * size > IN_REQUEST_BYTES or cache.get(_PAUSE))


@contextmanager
def _short_wait(cursor: Any) -> Iterator[None]:
    """Wait for other connections only briefly: while this one waits, it keeps others waiting."""
    (usual,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    cursor.execute(f"PRAGMA busy_timeout = {WAIT_MS}")
    try:
        yield
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {usual}")


_REMOVERS = {"sqlite": _rewrite, "postgresql": _analyze}

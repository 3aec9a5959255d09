"""Reads the rows of all uploads that may have an object, in the order of their keys."""

import logging
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sessions_app.uuid_helpers import UUIDText
from uploads_app.models import UploadedFile
from uploads_app.storage.keys import ids_in_key, is_object_of

logger = logging.getLogger(__name__)

# What a statement costs besides its rows is little then.
PAGE = 2000
_START = uuid.UUID(int=0)


class UploadRow(NamedTuple):
    """The two columns that reconciling needs; it reads every row."""

    key: str
    status: str


class UploadRows:
    """Rows in the order of their keys, read a page at a time: `peek` at the next ones, then `take` them."""

    def __init__(self, pages: Iterator[list[UploadRow]]) -> None:
        self._pages = pages
        self._read: list[UploadRow] = []
        self._taken = 0

    def peek(self, number: int) -> list[UploadRow]:
        """Return the next rows, fewer at the end."""
        while len(self._read) < self._taken + number:
            page = next(self._pages, None)
            if page is None:
                break
            self._read = self._read[self._taken :] + page
            self._taken = 0
        return self._read[self._taken : self._taken + number]

    def first(self) -> UploadRow | None:
        """Return the next row, None at the end."""
        if self._taken < len(self._read):
            return self._read[self._taken]
        return next(iter(self.peek(1)), None)

    def take(self, number: int = 1) -> None:
        self._taken += number


def read_pages(after: str, pause: Callable[[], None]) -> Iterator[list[UploadRow]]:
    """Yield the rows behind the key `after`; `pause` is called for each page.

    Pages instead of one cursor: an open snapshot would keep PostgreSQL from
    vacuuming. The ids are read as text, because a UUID takes longer to make than a row.
    """
    rows = UploadedFile.objects.with_object()
    columns = UUIDText("session_id"), UUIDText("id"), "key", "status"
    last = ids_in_key(after) or (_START, _START)
    while page := list(rows.after(*last).values_list(*columns)[:PAGE]):
        pause()
        yield [
            UploadRow(key, status)
            for session_uuid, upload_id, key, status in page
            if _is_well_formed(key, session_uuid, upload_id)
        ]
        last = uuid.UUID(page[-1][0]), uuid.UUID(page[-1][1])


def _is_well_formed(key: str, session_uuid: str, upload_id: str) -> bool:
    if is_object_of(key, session_uuid, upload_id):
        return True
    # It would be compared out of order, and belongs to no object of ours.
    logger.error("the key of upload %s is malformed: %r", upload_id, key)
    return False

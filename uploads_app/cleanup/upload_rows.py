"""Reads the rows of all uploads that may have an object, in the order of their keys."""

import logging
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import Case, QuerySet, TextField, Value, When
from django.db.models.functions import Concat, Left
from django.db.models.lookups import Exact

from common.read_ahead import read_ahead
from sessions_app.uuid_helpers import UUIDText
from uploads_app.models import UploadedFile
from uploads_app.storage.keys import BEGIN_LENGTH, PREFIX, ids_in_key, is_extension

logger = logging.getLogger(__name__)

# What a statement costs besides its rows is little then.
PAGE = 2000
_START = uuid.UUID(int=0)
_TEXT = TextField()
_IDS = Concat(UUIDText("session_id"), Value("/"), UUIDText("id"), output_field=_TEXT)
_BEGIN = Concat(Value(f"{PREFIX}/"), _IDS, Value("."), output_field=_TEXT)
# The ids of a row whose key does not begin with them. The database compares them faster than Python.
_WRONG_IDS = Case(When(Exact(Left("key", BEGIN_LENGTH), _BEGIN), then=None), default=_IDS)
# Key, status, _WRONG_IDS.
_Read = tuple[str, str, str | None]


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


def read_pages(after: str, pause: Callable[[], None]) -> Generator[list[UploadRow]]:
    """Yield the rows behind the key `after`; `pause` is called for each page.

    The database reads the next page while the caller compares one. Pages instead of one
    cursor: an open snapshot would keep PostgreSQL from vacuuming.
    """
    last = ids_in_key(after) or (_START, _START)
    with read_ahead() as reader:
        reader.send(_page_after(*last))
        while page := reader.receive():
            reader.send(_page_after(*_ids(page[-1])))
            pause()
            rows = [
                UploadRow(key, status)
                for key, status, wrong_ids in page
                if not wrong_ids and is_extension(key[BEGIN_LENGTH:])
            ]
            if len(rows) < len(page):
                _report_malformed(page)
            yield rows


def _page_after(session_uuid: uuid.UUID, upload_id: uuid.UUID) -> QuerySet[UploadedFile, Any]:
    rows = UploadedFile.objects.with_object().after(session_uuid, upload_id)
    return rows.values_list("key", "status", _WRONG_IDS)[:PAGE]


def _ids(row: _Read) -> tuple[uuid.UUID, uuid.UUID]:
    """Return the session and the upload of a row."""
    key, _, wrong_ids = row
    session_uuid, upload_id = (wrong_ids or key[len(PREFIX) + 1 : BEGIN_LENGTH - 1]).split("/")
    return uuid.UUID(session_uuid), uuid.UUID(upload_id)


def _report_malformed(page: Sequence[_Read]) -> None:
    # They would be compared out of order, and belong to no object of ours.
    for key, _, wrong_ids in page:
        if wrong_ids or not is_extension(key[BEGIN_LENGTH:]):
            logger.error(
                "the key of upload %s is malformed: %r", _ids((key, "", wrong_ids))[1], key
            )

"""What the cleanup finds: rows that should be gone, and where store and database disagree.

Nothing here changes anything, so that a dry run and a run see the same.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.models import WITH_OBJECT, Status, UploadedFile, UploadQuerySet
from uploads_app.storage import PREFIX, ObjectStore, StoredObject

PAGE = 1000
_KEY = re.compile(rf"{PREFIX}/({UUID_PATTERN})/({UUID_PATTERN})\.[a-z0-9]{{1,8}}")
_START = uuid.UUID(int=0)

# Where a file stands in the order of keys: its session, then itself.
Place = tuple[uuid.UUID, uuid.UUID]


class Kind(StrEnum):
    """The headings under which findings are told."""

    LAPSED = "lapsed uploads"
    UNFINISHED = "unfinished deletions"
    PAST_RETENTION = "files past retention"
    LATE = "objects of closed files"
    TEMPORARY = "temporary files"
    MISSING = "rows without an object"
    FOUND = "objects that came back"
    ORPHAN = "objects without a row"
    YOUNG = "young objects left alone"
    UNKNOWN = "unknown keys left alone"


# What a run removes. MISSING and FOUND are noted on the row, the rest is only told.
REMOVED = frozenset({Kind.LAPSED, Kind.UNFINISHED, Kind.PAST_RETENTION, Kind.LATE, Kind.TEMPORARY})
# What nobody planned: many of these mean that something else is wrong.
UNEXPECTED = frozenset({Kind.MISSING, Kind.ORPHAN})


@dataclass(frozen=True)
class Finding:
    """One thing that was found: its kind, its key, its bytes, and its row if it has one."""

    kind: Kind
    key: str
    size: int = 0
    upload: UploadedFile | None = field(default=None, compare=False)

    @property
    def label(self) -> str:
        """The key as it is told: on one line, and storable, whatever bytes a strange file's name has."""
        if self.key.isprintable():
            return self.key
        return self.key.encode("unicode_escape").decode()


@dataclass
class Seen:
    """How many objects and rows a reconciliation has looked at.

    `pause` is called at least once in a thousand of either, and may end it by raising.
    """

    pause: Callable[[], None]
    objects: int = 0
    rows: int = 0


def removable_rows(limit: int) -> Iterator[Finding]:
    """Yield up to `limit` files that should be gone, by their rows alone."""
    rows = UploadedFile.objects
    queues: list[tuple[Kind, UploadQuerySet]] = [
        (Kind.LAPSED, rows.lapsed()),
        (Kind.UNFINISHED, rows.deleting()),
        (Kind.PAST_RETENTION, rows.past_retention()),
    ]
    for kind, queue in queues:
        found = list(queue.order_by("id")[:limit])
        limit -= len(found)
        yield from (Finding(kind, upload.key, upload.size, upload) for upload in found)


def reconcile(
    store: ObjectStore, before: datetime, temporary_before: datetime, seen: Seen
) -> Iterator[Finding]:
    """Yield where the store's objects and the database's rows disagree.

    Both are read in the order of keys and merged, so that memory does not grow
    with them. `before` is the grace: what was written or stored later is young
    and left alone. A disagreement is looked at once more before it is told,
    because a visitor may have acted between the two readings.
    """
    rows = _rows(seen)
    row = next(rows, None)
    for stored in store.list_objects():
        seen.objects += 1
        if seen.objects % PAGE == 0:
            seen.pause()
        place = _place(stored.key)
        if stored.is_temporary:
            if stored.modified < temporary_before:
                yield Finding(Kind.TEMPORARY, stored.key, stored.size)
            continue
        if place is None:
            yield Finding(Kind.UNKNOWN, stored.key, stored.size)
            continue
        while row is not None and (row.session_id, row.id) < place:
            yield from _without_object(store, row, before)
            row = next(rows, None)
        if row is not None and row.key == stored.key:
            if row.status == Status.MISSING:
                yield Finding(Kind.FOUND, row.key, stored.size, row)
            row = next(rows, None)
        else:
            yield from _without_row(stored, place, before)
    while row is not None:
        yield from _without_object(store, row, before)
        row = next(rows, None)


def temporary_files(store: ObjectStore, before: datetime) -> Iterator[Finding]:
    """Yield what uploads that died have left half-written."""
    return (Finding(Kind.TEMPORARY, name) for name in store.temporary_files(before))


def _rows(seen: Seen) -> Iterator[UploadedFile]:
    """Yield every file that may have an object, in the order of keys, a page at a time.

    Pages instead of one cursor: an open snapshot would keep a busy database
    from tidying up behind itself.
    """
    last: Place = (_START, _START)
    while page := list(UploadedFile.objects.with_object().after(*last)[:PAGE]):
        seen.pause()
        seen.rows += len(page)
        yield from page
        last = (page[-1].session_id, page[-1].id)


def _place(key: str) -> Place | None:
    match = _KEY.fullmatch(key)
    return (uuid.UUID(match[1]), uuid.UUID(match[2])) if match else None


def _without_object(store: ObjectStore, row: UploadedFile, before: datetime) -> Iterator[Finding]:
    if row.status != Status.STORED or row.stored_at is None or row.stored_at >= before:
        return
    still = UploadedFile.objects.filter(pk=row.pk, status=Status.STORED)
    if store.describe(row.key) is None and still.exists():
        yield Finding(Kind.MISSING, row.key, row.size, row)


def _without_row(stored: StoredObject, place: Place, before: datetime) -> Iterator[Finding]:
    row = UploadedFile.objects.filter(pk=place[1], key=stored.key).first()
    if row is not None and row.status in WITH_OBJECT:
        return  # its row came after the page was read
    if stored.modified >= before:
        yield Finding(Kind.YOUNG, stored.key, stored.size, row)
    else:
        yield Finding(Kind.LATE if row else Kind.ORPHAN, stored.key, stored.size, row)

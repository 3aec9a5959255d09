"""Compares the objects in the store with the rows in the database.

Nothing here changes anything, so a dry run and a run find the same.
"""

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from uploads_app.cleanup.findings import REPORTED, Ages, FindingKind, removable_rows
from uploads_app.models import (
    WITH_OBJECT,
    Finding,
    QuarantinedObject,
    UploadedFile,
    UploadStatus,
)
from uploads_app.storage.base import ListingIncomplete, ObjectStore, StoredObject
from uploads_app.storage.keys import PREFIX, quarantine_key
from uploads_app.storage.keys import ids_in_key as _place

logger = logging.getLogger(__name__)

PAGE = 1000
_START = uuid.UUID(int=0)


class UploadRow(NamedTuple):
    """The two columns that reconciling needs; it reads every row."""

    key: str
    status: str


@dataclass
class ScanProgress:
    """How far a scan has come, and how many objects and rows it has read.

    `pause` is called at least once per thousand of either, and may raise. The
    scan ends early (`is_partial`) when `enough` returns True. A later scan can
    continue behind the key `after`.
    """

    pause: Callable[[], None]
    enough: Callable[[], bool] = bool
    objects: int = 0
    rows: int = 0
    after: str = ""
    is_partial: bool = False

    def __post_init__(self) -> None:
        self._began_after = self.after

    def ends(self) -> bool:
        """Pause, then return whether the scan ends here. Called once per page."""
        self.pause()
        self.is_partial = self.after != self._began_after and self.enough()
        return self.is_partial


def find_mismatches(store: ObjectStore, ages: Ages, seen: ScanProgress) -> Iterator[Finding]:
    """Yield where objects and rows differ, in the order of keys.

    Re-check each mismatch before reporting it: a visitor may have changed
    something between the two readings.
    """
    found = reconcile(store.list_objects(after=seen.after), _rows(seen), ages, seen)
    batch: list[Finding] = []
    for finding in found:
        batch.append(finding)
        if len(batch) == PAGE:
            yield from confirmed(store, ages, batch)
            batch = []
    yield from confirmed(store, ages, batch)


def reconcile(
    objects: Iterable[StoredObject], rows: Iterator[UploadRow], ages: Ages, seen: ScanProgress
) -> Iterator[Finding]:
    """Merge objects and rows, both in the order of their keys, and yield the differences.

    Uses constant memory. Raises ListingIncomplete if the objects are out of
    order, because every conclusion would be wrong.
    """
    row = next(rows, None)
    for stored in objects:
        if seen.objects % PAGE == 0 and seen.ends():
            return
        seen.objects += 1
        key = stored.key
        if (row is None or row.key != key) and _place(key) is None:
            yield from _not_an_upload(stored, ages)
            continue
        if key <= seen.after:
            raise ListingIncomplete(f"the store lists {key} after {seen.after}")
        while row is not None and row.key < key:
            yield from _without_object(row)
            seen.rows += 1
            row = next(rows, None)
        if row is None or row.key != key:
            yield from _without_row(stored, ages)
        else:
            yield from _with_row(stored, row)
            seen.rows += 1
            row = next(rows, None)
        seen.after = key
    while row is not None:
        if seen.rows % PAGE == 0 and seen.ends():
            return
        yield from _without_object(row)
        seen.after = row.key
        seen.rows += 1
        row = next(rows, None)


def canary(ages: Ages) -> bool:
    """Reconcile one live file, one orphan and one missing file; return whether the result is right.

    A mistake in the decisions shows here before it damages a visitor's files.
    """
    old = ages.before - timedelta(seconds=1)
    live, orphan, lost = (uuid.UUID(f"00000000-0000-4000-8000-00000000000{n}") for n in "123")
    key = {name: f"{PREFIX}/{name}/{name}.pdf" for name in (live, orphan, lost)}
    objects = [StoredObject(key[name], 1, old) for name in (live, orphan)]
    rows = [UploadRow(key[name], UploadStatus.STORED) for name in (live, lost)]
    reported = list(reconcile(objects, iter(rows), ages, ScanProgress(lambda: None)))
    return [(finding.kind, finding.key) for finding in reported] == [
        (FindingKind.ORPHAN, key[orphan]),
        (FindingKind.MISSING, key[lost]),
    ]


def session_of(key: str) -> uuid.UUID | None:
    """Return the session in a key of an upload, None for any other key."""
    place = _place(key)
    return place[0] if place else None


def _rows(seen: ScanProgress) -> Iterator[UploadRow]:
    """Yield every upload that may have an object, in the order of keys, a page at a time.

    Pages instead of one cursor: an open snapshot would keep PostgreSQL from
    vacuuming.
    """
    rows = UploadedFile.objects.with_object()
    last = _place(seen.after) or (_START, _START)
    while page := list(
        rows.after(*last).values_list("session_id", "id", *UploadRow._fields)[:PAGE]
    ):
        seen.pause()
        for session_uuid, upload_id, *columns in page:
            last = session_uuid, upload_id
            row = UploadRow(*columns)
            if _place(row.key) == last:
                yield row
            else:  # its key would be compared out of order, and belongs to no object of ours
                logger.error("the key of upload %s is malformed: %r", upload_id, row.key)


def _finding(kind: FindingKind, stored: StoredObject) -> Finding:
    return Finding(kind=kind, key=stored.key, size=stored.size)


def _not_an_upload(stored: StoredObject, ages: Ages) -> Iterator[Finding]:
    if not stored.is_temporary:
        yield _finding(FindingKind.UNKNOWN, stored)
    elif stored.modified < ages.temporary_before:
        yield _finding(FindingKind.TEMPORARY, stored)


def _without_object(row: UploadRow) -> Iterator[Finding]:
    if row.status == UploadStatus.STORED:
        yield Finding(kind=FindingKind.MISSING, key=row.key)


def _with_row(stored: StoredObject, row: UploadRow) -> Iterator[Finding]:
    if stored.is_link:
        yield _finding(FindingKind.UNKNOWN, stored)
    elif row.status == UploadStatus.MISSING:
        yield _finding(FindingKind.FOUND, stored)


def _without_row(stored: StoredObject, ages: Ages) -> Iterator[Finding]:
    if stored.is_link:
        yield _finding(FindingKind.UNKNOWN, stored)
        return
    kind = FindingKind.ORPHAN if stored.modified < ages.before else FindingKind.YOUNG
    yield _finding(kind, stored)


def confirmed(store: ObjectStore, ages: Ages, findings: list[Finding]) -> Iterator[Finding]:
    """Yield the findings of a page that still hold, by the rows and objects of now.

    Leaves out what the same run removes by its row or its trash entry, so that
    nothing is reported twice.
    """
    keys = [
        finding.key for finding in findings if finding.kind not in REPORTED - {FindingKind.YOUNG}
    ]
    rows = {row.key: row for row in UploadedFile.objects.filter(key__in=keys)}
    past = removable_rows(FindingKind.PAST_RETENTION, ages).filter(key__in=keys)
    due = set(past.values_list("key", flat=True))
    trash_items = {
        trash_item.key: trash_item for trash_item in QuarantinedObject.objects.filter(key__in=keys)
    }
    for finding in findings:
        row, trash_item = rows.get(finding.key), trash_items.get(finding.key)
        match finding.kind:
            case FindingKind.MISSING:
                if row and row.key not in due and _is_missing(store, ages, row):
                    finding.size = row.size
                    yield finding
            case FindingKind.FOUND:
                if row and finding.key not in due:
                    yield finding
            case FindingKind.ORPHAN | FindingKind.YOUNG:
                if (row is None or row.status not in WITH_OBJECT) and not (
                    trash_item and trash_item.is_leaving
                ):
                    finding.kind = _kind_now(finding, row, trash_item)
                    yield finding
            case _:
                yield finding


def _is_missing(store: ObjectStore, ages: Ages, row: UploadedFile) -> bool:
    is_old = row.stored_at is not None and row.stored_at < ages.before
    return (
        row.status == UploadStatus.STORED
        and is_old
        and store.describe(row.key) is None
        and store.describe(quarantine_key(row.key)) is None
    )


def _kind_now(
    finding: Finding, row: UploadedFile | None, trash_item: QuarantinedObject | None
) -> str:
    """Return the kind of an object without a live row, by its closed row or its trash entry."""
    if trash_item and trash_item.is_given_back:
        return FindingKind.RESTORED
    if finding.kind == FindingKind.ORPHAN and row:
        return FindingKind.LATE
    return finding.kind

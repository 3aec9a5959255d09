"""Compares the objects in the store with the rows in the database.

Nothing here changes anything, so a dry run and a run find the same.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from uploads_app.cleanup.findings import REPORTED, Ages, FindingKind, removable_rows
from uploads_app.cleanup.upload_rows import UploadRow, UploadRows, read_pages
from uploads_app.models import (
    WITH_OBJECT,
    Finding,
    QuarantinedObject,
    UploadedFile,
    UploadStatus,
)
from uploads_app.storage.base import ListedObject, ListingIncomplete, ObjectStore, StoredObject
from uploads_app.storage.keys import PREFIX, ids_in_key, is_object, quarantine_key

PAGE = 1000


@dataclass
class ScanProgress:
    """How far a scan has come, and how many objects and rows it has read.

    `pause` is called for each page of objects or rows, and may raise. The scan ends
    early (`is_partial`) when `enough` returns True. A later scan can continue
    behind the key `after`.
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
    batch: list[Finding] = []
    # An error of the run keeps the generator of the pages, which has a connection.
    with closing(read_pages(seen.after, seen.pause)) as pages:
        for finding in reconcile(store.list_keys(after=seen.after), UploadRows(pages), ages, seen):
            batch.append(finding)
            if len(batch) == PAGE:
                yield from confirmed(store, ages, batch)
                batch = []
    yield from confirmed(store, ages, batch)


def reconcile(
    objects: Iterable[ListedObject], rows: UploadRows, ages: Ages, seen: ScanProgress
) -> Iterator[Finding]:
    """Compare objects and rows, both in the order of their keys, and yield the differences.

    Uses constant memory. Raises ListingIncomplete if the objects are out of
    order, because every conclusion would be wrong.
    """
    listing = iter(objects)
    while page := list(islice(listing, PAGE)):
        if seen.ends():
            return
        if _is_sound(page, rows.peek(len(page))):
            rows.take(len(page))
            seen.objects += len(page)
            seen.rows += len(page)
            seen.after = page[-1].key
        else:
            yield from _merge(page, rows, ages, seen)
    while (row := rows.first()) is not None:
        if seen.rows % PAGE == 0 and seen.ends():
            return
        yield from _without_object(row)
        rows.take()
        seen.after = row.key
        seen.rows += 1


def _is_sound(objects: Sequence[ListedObject], rows: Sequence[UploadRow]) -> bool:
    """Return whether each object has its row and there is nothing to find, as on most pages."""
    return (
        [listed.key for listed in objects] == [row.key for row in rows]
        and True not in [listed.is_link for listed in objects]
        and UploadStatus.MISSING not in [row.status for row in rows]
    )


def _merge(
    objects: Sequence[ListedObject], rows: UploadRows, ages: Ages, seen: ScanProgress
) -> Iterator[Finding]:
    """Compare each object of a page with the rows up to its key."""
    for listed in objects:
        seen.objects += 1
        key = listed.key
        row = rows.first()
        if (row is None or row.key != key) and not is_object(key):
            yield from _not_an_upload(listed, ages)
            continue
        if key <= seen.after:
            raise ListingIncomplete(f"the store lists {key} after {seen.after}")
        while row is not None and row.key < key:
            yield from _without_object(row)
            seen.rows += 1
            rows.take()
            row = rows.first()
        if row is None or row.key != key:
            yield from _without_row(listed, ages)
        else:
            if listed.is_link or row.status == UploadStatus.MISSING:
                yield from _with_row(listed, row)
            seen.rows += 1
            rows.take()
        seen.after = key


def canary(ages: Ages) -> bool:
    """Reconcile one live file, one orphan and one missing file; return whether the result is right.

    A mistake in the decisions shows here before it damages a visitor's files.
    """
    old = ages.before - timedelta(seconds=1)
    live, orphan, lost = (uuid.UUID(f"00000000-0000-4000-8000-00000000000{n}") for n in "123")
    key = {name: f"{PREFIX}/{name}/{name}.pdf" for name in (live, orphan, lost)}
    objects = [StoredObject(key[name], 1, old) for name in (live, orphan)]
    rows = [UploadRow(key[name], UploadStatus.STORED) for name in (live, lost)]
    reported = list(reconcile(objects, UploadRows(iter([rows])), ages, ScanProgress(lambda: None)))
    return [(finding.kind, finding.key) for finding in reported] == [
        (FindingKind.ORPHAN, key[orphan]),
        (FindingKind.MISSING, key[lost]),
    ]


def session_of(key: str) -> uuid.UUID | None:
    """Return the session in a key of an upload, None for any other key."""
    ids = ids_in_key(key)
    return ids[0] if ids else None


def _finding(kind: FindingKind, stored: StoredObject) -> Finding:
    return Finding(kind=kind, key=stored.key, size=stored.size)


def _not_an_upload(listed: ListedObject, ages: Ages) -> Iterator[Finding]:
    if stored := listed.described():
        if not stored.is_temporary:
            yield _finding(FindingKind.UNKNOWN, stored)
        elif stored.modified < ages.temporary_before:
            yield _finding(FindingKind.TEMPORARY, stored)


def _without_object(row: UploadRow) -> Iterator[Finding]:
    if row.status == UploadStatus.STORED:
        yield Finding(kind=FindingKind.MISSING, key=row.key)


def _with_row(listed: ListedObject, row: UploadRow) -> Iterator[Finding]:
    if stored := listed.described():
        if stored.is_link:
            yield _finding(FindingKind.UNKNOWN, stored)
        elif row.status == UploadStatus.MISSING:
            yield _finding(FindingKind.FOUND, stored)


def _without_row(listed: ListedObject, ages: Ages) -> Iterator[Finding]:
    if stored := listed.described():
        if stored.is_link:
            yield _finding(FindingKind.UNKNOWN, stored)
        else:
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
    if trash_item and trash_item.is_given_back(row):
        return FindingKind.RESTORED
    if finding.kind == FindingKind.ORPHAN and row:
        return FindingKind.LATE
    return finding.kind

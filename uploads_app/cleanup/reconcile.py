"""What the cleanup finds: rows that should be gone, and where store and database disagree.

Nothing here changes anything, so that a dry run and a run see the same.
"""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.models import (
    WITH_OBJECT,
    QuarantinedObject,
    UploadedFile,
    UploadQuerySet,
    UploadStatus,
)
from uploads_app.storage.base import PREFIX, ListingIncomplete, ObjectStore, StoredObject

PAGE = 1000
_KEY = re.compile(rf"{PREFIX}/({UUID_PATTERN})/({UUID_PATTERN})\.[a-z0-9]{{1,8}}")
_START = uuid.UUID(int=0)

# Where a file stands in the order of keys: its session, then itself.
Place = tuple[uuid.UUID, uuid.UUID]


class FindingKind(StrEnum):
    """The headings under which findings are told."""

    LAPSED = "lapsed uploads"
    UNFINISHED = "unfinished deletions"
    PAST_RETENTION = "files past retention"
    CUT_OFF = "unfinished moves"
    PAST_QUARANTINE = "objects past quarantine"
    LATE = "objects of closed files"
    TEMPORARY = "temporary files"
    ORPHAN = "objects without a row"
    MISSING = "rows without an object"
    FOUND = "objects that came back"
    RESTORED = "restored objects left alone"
    YOUNG = "young objects left alone"
    UNKNOWN = "unknown keys left alone"


# What a run removes for good.
REMOVED = frozenset(
    {
        FindingKind.LAPSED,
        FindingKind.UNFINISHED,
        FindingKind.PAST_RETENTION,
        FindingKind.PAST_QUARANTINE,
        FindingKind.LATE,
        FindingKind.TEMPORARY,
    }
)
# Of these a run takes at most as many as its limit says.
LIMITED = REMOVED | {FindingKind.ORPHAN, FindingKind.CUT_OFF}
REPORTED = frozenset({FindingKind.RESTORED, FindingKind.YOUNG, FindingKind.UNKNOWN})
# What nobody planned: many of these mean that something else is wrong.
UNEXPECTED = frozenset({FindingKind.MISSING, FindingKind.ORPHAN})


@dataclass(frozen=True)
class Finding:
    """One thing that was found: its kind, its key, and its bytes."""

    kind: FindingKind
    key: str
    size: int = 0

    @property
    def label(self) -> str:
        """The key as it is told."""
        return label(self.key)


class UploadRow(NamedTuple):
    """What a reconciliation needs to know of a file: no more, because there are so many."""

    key: str
    status: str


@dataclass(frozen=True)
class Ages:
    """Until when what is found counts as old, and what is kept for how long."""

    before: datetime
    temporary_before: datetime
    retention: timedelta
    completed_retention: timedelta
    trash_retention: timedelta

    @classmethod
    def at(
        cls,
        now: datetime,
        *,
        grace: timedelta,
        retention: timedelta | None = None,
        completed_retention: timedelta | None = None,
        trash_retention: timedelta | None = None,
    ) -> "Ages":
        """Return the ages at a time; what is not given is the setting's.

        Whatever grace is asked for, an upload under way keeps its temporary
        file while its lease can be good.
        """
        return cls(
            now - grace,
            now - max(grace, settings.UPLOAD_LEASE),
            settings.UPLOAD_RETENTION if retention is None else retention,
            settings.COMPLETED_RETENTION if completed_retention is None else completed_retention,
            settings.TRASH_RETENTION if trash_retention is None else trash_retention,
        )


@dataclass
class ScanProgress:
    """How far a look has come, and how many objects and rows it has seen.

    `pause` is called at least once in a thousand of either, and may raise. A
    look ends early, `is_partial`, once `enough` says so; one that begins again
    after the key `after` misses nothing.
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
        """Pause, and say whether the look is to end there; asked for once in a page."""
        self.pause()
        self.is_partial = self.after != self._began_after and self.enough()
        return self.is_partial


def removable_rows(kind: FindingKind, ages: Ages) -> UploadQuerySet:
    """Return the files that should be gone for one reason, by their rows alone, in the order of keys."""
    files = UploadedFile.objects.order_by("session_id", "id")
    match kind:
        case FindingKind.LAPSED:
            return files.lapsed()
        case FindingKind.UNFINISHED:
            return files.deleting()
        case FindingKind.PAST_RETENTION:
            return files.past_retention(ages.retention, ages.completed_retention)
    raise ValueError(kind)


def quarantine_queue(kind: FindingKind, ages: Ages) -> QuerySet[QuarantinedObject]:
    """Return what is to be done in quarantine: moves that a crash cut off, and what is past its time."""
    trash_items = QuarantinedObject.objects.order_by("id")
    if kind == FindingKind.CUT_OFF:
        return trash_items.cut_off()
    return trash_items.past_retention(ages.trash_retention)


def find_mismatches(store: ObjectStore, ages: Ages, seen: ScanProgress) -> Iterator[Finding]:
    """Yield where the store's objects and the database's rows disagree, in the order of keys.

    A disagreement is looked at once more before it is told, because a visitor
    may have acted between the two readings.
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
    """Merge objects and rows, both in the order of their keys, and yield where they disagree.

    Memory does not grow with them. Raises ListingIncomplete if the objects are
    out of order, because every conclusion would be wrong.
    """
    row = next(rows, None)
    for stored in objects:
        if seen.objects % PAGE == 0 and seen.ends():
            return
        seen.objects += 1
        key = stored.key
        if (row is None or row.key != key) and _place(key) is None:
            yield from _no_file(stored, ages)
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
            if row.status == UploadStatus.MISSING:
                yield Finding(FindingKind.FOUND, key, stored.size)
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
    """Ask about a pair that is live and one that is orphaned; False if the answer is wrong.

    A mistake in what decides would show here before it shows in anybody's files.
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


def label(key: str) -> str:
    """Return a key on one line, and storable, whatever bytes a strange file's name has."""
    return key if key.isprintable() else key.encode("unicode_escape").decode()


def session_of(key: str) -> uuid.UUID | None:
    """Return whose file a well-formed key names, None for any other."""
    place = _place(key)
    return place[0] if place else None


def _rows(seen: ScanProgress) -> Iterator[UploadRow]:
    """Yield every file that may have an object, in the order of keys, a page at a time.

    Pages instead of one cursor: an open snapshot would keep a busy database
    from tidying up behind itself.
    """
    rows = UploadedFile.objects.with_object()
    last = seen.after
    while page := list(
        rows.after(*(_place(last) or (_START, _START))).values_list(*UploadRow._fields)[:PAGE]
    ):
        seen.pause()
        yield from map(UploadRow._make, page)
        last = page[-1][0]


def _place(key: str) -> Place | None:
    match = _KEY.fullmatch(key)
    return (uuid.UUID(match[1]), uuid.UUID(match[2])) if match else None


def _no_file(stored: StoredObject, ages: Ages) -> Iterator[Finding]:
    if not stored.is_temporary:
        yield Finding(FindingKind.UNKNOWN, stored.key, stored.size)
    elif stored.modified < ages.temporary_before:
        yield Finding(FindingKind.TEMPORARY, stored.key, stored.size)


def _without_object(row: UploadRow) -> Iterator[Finding]:
    if row.status == UploadStatus.STORED:
        yield Finding(FindingKind.MISSING, row.key)


def _without_row(stored: StoredObject, ages: Ages) -> Iterator[Finding]:
    kind = FindingKind.ORPHAN if stored.modified < ages.before else FindingKind.YOUNG
    yield Finding(kind, stored.key, stored.size)


def confirmed(store: ObjectStore, ages: Ages, findings: list[Finding]) -> Iterator[Finding]:
    """Yield what still holds of a page of findings, now that every row and object can be asked.

    Left out is what the same run removes anyway, by its row or by its place in
    the quarantine's queue, so that nothing is told twice.
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
                    yield replace(finding, size=row.size)
            case FindingKind.FOUND:
                if row and finding.key not in due:
                    yield finding
            case FindingKind.ORPHAN | FindingKind.YOUNG:
                if (row is None or row.status not in WITH_OBJECT) and not (
                    trash_item and trash_item.is_leaving
                ):
                    yield _explained(finding, row, bool(trash_item and trash_item.is_given_back))
            case _:
                yield finding


def _is_missing(store: ObjectStore, ages: Ages, row: UploadedFile) -> bool:
    is_old = row.stored_at is not None and row.stored_at < ages.before
    return row.status == UploadStatus.STORED and is_old and store.describe(row.key) is None


def _explained(finding: Finding, row: UploadedFile | None, is_restored: bool) -> Finding:
    """Say of an object without a live row what is known of it after all."""
    if finding.kind == FindingKind.ORPHAN and row:
        return replace(finding, kind=FindingKind.LATE)
    if is_restored:
        return replace(finding, kind=FindingKind.RESTORED)
    return finding

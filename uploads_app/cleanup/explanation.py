"""Explains one key: what the cleanup did or would do about it, by which rule, and the facts."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.db.models import Q
from django.utils import timezone

from audit_app.models import AuditLog
from uploads_app.cleanup import reconcile, trash_scan
from uploads_app.cleanup.findings import (
    BY_ROW,
    IN_TRASH,
    Ages,
    FindingKind,
    due_trash,
    removable_rows,
)
from uploads_app.cleanup.reconcile import ScanProgress
from uploads_app.cleanup.removal import applies
from uploads_app.cleanup.upload_rows import UploadRow, UploadRows
from uploads_app.models import (
    WITH_OBJECT,
    Finding,
    QuarantinedObject,
    UploadedFile,
    UploadStatus,
    printable,
)
from uploads_app.storage.base import ObjectStore, StoredObject, object_store
from uploads_app.storage.keys import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE, quarantine_key

# What the cleanup does about each kind of finding.
RULES = {
    FindingKind.ARRIVED: (
        "The upload was not recorded within its lease, but its object is whole. The cleanup marks "
        "it as stored."
    ),
    FindingKind.LAPSED: "The upload did not finish within its lease. The cleanup gives it up.",
    FindingKind.UNFINISHED: "Its deletion was interrupted. The next run finishes it.",
    FindingKind.PAST_RETENTION: "Its retention is over. The cleanup deletes it.",
    FindingKind.CUT_OFF: "A move or a deletion was interrupted. The next run finishes it.",
    FindingKind.PAST_TRASH_RETENTION: "Its time in the trash is over. The cleanup purges it.",
    FindingKind.LATE: (
        "The object arrived after its file was closed. The cleanup moves it to the trash, from where "
        "it can be restored."
    ),
    FindingKind.TEMPORARY: "An interrupted upload left this temporary file. The cleanup deletes it.",
    FindingKind.ORPHAN: (
        "The object has no row. The cleanup moves it to the trash, from where it can be restored."
    ),
    FindingKind.MISPLACED: "The object of a file is in the trash. The cleanup moves it back.",
    FindingKind.UNRECORDED: (
        "This key is unknown, but an object in the trash had it. The cleanup records the object."
    ),
    FindingKind.MISSING: "Its object is missing from the store. The cleanup marks the file as missing.",
    FindingKind.FOUND: "Its object is in the store again. The cleanup marks the file as stored.",
    FindingKind.RESTORED: "A person restored the object. The cleanup leaves it alone.",
    FindingKind.YOUNG: (
        "The object has no row, but is younger than the grace period. The cleanup leaves it alone."
    ),
    FindingKind.UNKNOWN: "The key is not one of this product. The cleanup reports it and leaves it alone.",
}
_LIVE = "It is a file of its session. The cleanup leaves it alone."
_WAITING = "The upload is in progress. The cleanup leaves it alone until its lease ends."
_QUARANTINED = (
    "Staff quarantined the file. The cleanup leaves it alone until its retention is over."
)
_MISSING = (
    "Its object is missing, and the file is marked so. If the object returns, so does the file."
)
_HALF_WRITTEN = "It is being written. The cleanup leaves it alone until it is old."
_MARKER = "It is the deployment marker of the store. The cleanup reads and updates it."
_ERASED = (
    "It records that a session was erased, for use after a restore. The cleanup leaves it alone."
)
_OUTSIDE = "It is outside the folders of the product. The cleanup does not scan there."
_NOTHING = "This key is unknown: it has no object, no row and no event."
_PAST = {
    UploadStatus.DELETED: "The file was deleted. The row and the events show when and why.",
    UploadStatus.LAPSED: "The upload never finished. What arrived was deleted or is in the trash.",
    UploadStatus.REJECTED: "The file was refused on arrival and deleted.",
}
_TRASH_TEXTS = {
    "quarantined": "The object had no row. It is in the trash and can be restored.",
    "restored": "The object was restored from the trash, but it is no longer there.",
    "purged": "The object was purged. The events show when and why.",
}


@dataclass(frozen=True)
class Explanation:
    """The facts about a key and the conclusion; `would` is the kind of finding of the next run."""

    key: str
    sentence: str
    would: str | None
    evidence: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, "explanation": self.sentence, "would": self.would} | self.evidence

    def lines(self) -> Iterator[str]:
        yield f"{self.key}: {self.sentence}"
        for name, value in self.evidence.items():
            if name != "events":
                yield f"  {name}: {_as_text(value)}"
        for event in self.evidence["events"] or ["none"]:
            yield f"  event: {_as_text(event)}"


def explain(key: str) -> Explanation:
    """Explain what was or would be done about a key. Raises OSError if storage fails.

    A key under `quarantine/` or `incoming/` is explained as the key of its file.
    """
    key = _plain(key)
    store = object_store()
    name = printable(key)
    row = UploadedFile.objects.select_related("session").filter(key=name).first()
    trash_item = QuarantinedObject.objects.filter(key=name).first()
    stored = _describe(store, key)
    finding = _finding(store, key, stored, row, trash_item)
    return Explanation(
        name,
        RULES[FindingKind(finding.kind)] if finding else _without_finding(stored, row, trash_item),
        str(finding.kind) if finding else None,
        {
            "object": _object(stored),
            "in quarantine": _object(_describe(store, quarantine_key(key))),
            "row": _row(row),
            "quarantine": _trash_entry(trash_item),
            "grace": str(settings.CLEANUP_GRACE),
            "events": list(_events(name, row)),
        },
    )


def _plain(key: str) -> str:
    key = key.removeprefix(f"{QUARANTINE}/")
    return key.replace(INCOMING, PREFIX, 1) if key.startswith(f"{INCOMING}/") else key


def _describe(store: ObjectStore, key: str) -> StoredObject | None:
    """Return the object of a key, None if there is none or the key is not possible."""
    try:
        return store.describe(key)
    except (ValueError, SuspiciousFileOperation):
        return None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return None


def _finding(
    store: ObjectStore,
    key: str,
    stored: StoredObject | None,
    row: UploadedFile | None,
    trash_item: QuarantinedObject | None,
) -> Finding | None:
    ages = Ages.at(timezone.now(), grace=settings.CLEANUP_GRACE)
    for kind in BY_ROW:
        if row and removable_rows(kind, ages).filter(pk=row.pk).exists() and applies(kind, row):
            return Finding(kind=kind, key=key)
    for kind in IN_TRASH:
        if trash_item and due_trash(kind, ages).filter(pk=trash_item.pk).exists():
            return Finding(kind=kind, key=key)
    live = row if row and row.status in WITH_OBJECT else None
    rows = UploadRows(iter([[UploadRow(live.key, live.status)]] if live else []))
    seen = [stored] if stored and (stored.is_temporary or key.startswith(f"{PREFIX}/")) else []
    found = reconcile.reconcile(seen, rows, ages, ScanProgress(lambda: None))
    trashed = _describe(store, quarantine_key(key))
    misplaced = trash_scan.compare(store, [trashed] if trashed else [])
    return next(chain(reconcile.confirmed(store, ages, list(found)), misplaced), None)


def _without_finding(
    stored: StoredObject | None, row: UploadedFile | None, trash_item: QuarantinedObject | None
) -> str:
    if row is None and stored:
        return _outside_uploads(stored)
    if row and row.status in _PAST:
        return _PAST[UploadStatus(row.status)]
    if row:
        special = {
            UploadStatus.PENDING: _WAITING,
            UploadStatus.QUARANTINED: _QUARANTINED,
            UploadStatus.MISSING: _MISSING,
        }
        return special.get(UploadStatus(row.status), _LIVE)
    if trash_item:
        return _TRASH_TEXTS[trash_item.status]
    return _NOTHING


def _outside_uploads(stored: StoredObject) -> str:
    if stored.is_temporary:
        return _HALF_WRITTEN
    if stored.key == MARKER:
        return _MARKER
    return _ERASED if stored.key.startswith(f"{ERASED}/") else _OUTSIDE


def _object(stored: StoredObject | None) -> dict[str, Any] | None:
    return {"size": stored.size, "written": stored.modified} if stored else None


def _row(row: UploadedFile | None) -> dict[str, Any] | None:
    if row is None:
        return None
    names = ("id", "status", "size", "sha256", "created_at", "stored_at", "lease_expires_at",
             "deleted_at", "delete_reason")  # fmt: skip
    session = {"session": row.session_id, "session_status": row.session.status}
    return (
        session | {"session_ended_at": row.session.ended_at} | {n: getattr(row, n) for n in names}
    )


def _trash_entry(trash_item: QuarantinedObject | None) -> dict[str, Any] | None:
    names = ("status", "reason", "size", "modified_at", "quarantined_at", "changed_at")
    return {name: getattr(trash_item, name) for name in names} if trash_item else None


def _events(key: str, row: UploadedFile | None) -> Iterator[dict[str, Any]]:
    about = Q(target=key) | Q(target=f"upload:{row.pk}") if row else Q(target=key)
    session = row.session_id if row else reconcile.session_of(key)
    # The session narrows the search to an index.
    for log in AuditLog.objects.filter(about, session_uuid=session).order_by("occurred_at", "id"):
        yield {"at": log.occurred_at, "event": log.event_type, "by": log.actor} | log.details


def _as_text(value: Any) -> str:
    if not isinstance(value, dict):
        return "none" if value is None else str(value)
    return ", ".join(f"{name} {part}" for name, part in value.items() if part not in (None, ""))

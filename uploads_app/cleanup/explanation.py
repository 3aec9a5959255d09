"""Why a key is, or is not, in the store: what was or would be done, by which rule, on which evidence."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.db.models import Q
from django.utils import timezone

from audit_app.models import AuditLog
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.reconcile import Ages, Finding, FindingKind, ScanProgress, UploadRow
from uploads_app.models import WITH_OBJECT, QuarantinedObject, UploadedFile, UploadStatus
from uploads_app.storage.base import ObjectStore, StoredObject, object_store
from uploads_app.storage.keys import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE, quarantine_key

# What each kind of finding comes to, as a sentence about one key.
RULES = {
    FindingKind.LAPSED: "The upload did not finish within its lease: it is given up, and what arrived is removed.",
    FindingKind.UNFINISHED: "Its deletion has begun and was interrupted: the next run finishes it.",
    FindingKind.PAST_RETENTION: "Its session ended longer ago than files are kept: it is deleted.",
    FindingKind.CUT_OFF: "A move or removal was interrupted: the next run finishes it.",
    FindingKind.PAST_QUARANTINE: "Its time in quarantine is over: it is removed for good.",
    FindingKind.LATE: "It arrived after its file was closed: it is removed.",
    FindingKind.TEMPORARY: "It is what an upload that died has left half-written: it is removed.",
    FindingKind.ORPHAN: "No row explains the object: it is put aside, and can be restored for a while.",
    FindingKind.MISSING: "Its object is gone from storage: the file is called missing.",
    FindingKind.FOUND: "Its object is back: the file is called stored again.",
    FindingKind.RESTORED: "A person has restored the object: it is left alone.",
    FindingKind.YOUNG: "No row explains the object, but it is younger than the grace: it is left alone.",
    FindingKind.UNKNOWN: "It is no key of this product: it is told of and left alone.",
}
_LIVE = "It is a file of its session: it is left alone."
_WAITING = "It is being uploaded: it is left alone until its lease is over."
_QUARANTINED = "Staff have put the file out of reach: it is left alone until its retention is over."
_MISSING = "Its object is gone, and that has been noted: if it comes back, so does the file."
_HALF_WRITTEN = "It is being written: it is left alone until it is old."
_MARKER = "It says which deployment the store belongs to: the cleanup reads and renews it."
_ERASED = "It notes that a session was erased, for after a restore: it is left alone."
_OUTSIDE = "It does not lie where files are kept: the cleanup does not look there."
_NOTHING = "Nothing is known of this key: there is no object, no row and no event."
_PAST = {
    UploadStatus.DELETED: "The file was deleted; the row and the events say when and why.",
    UploadStatus.LAPSED: "The upload never finished; what arrived of it has been removed.",
    UploadStatus.REJECTED: "The file was refused when it had arrived, and removed.",
}
_TRASH_TEXTS = {
    "quarantined": "No row explained the object: it was put aside, and can be restored.",
    "restored": "A person had restored the object; it is gone from its place since.",
    "purged": "It has been removed for good; the events say when and why.",
}


@dataclass(frozen=True)
class Explanation:
    """What is known of a key, and what follows: `would` is what the next run does with it."""

    key: str
    sentence: str
    would: str | None
    evidence: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, "explanation": self.sentence, "would": self.would} | self.evidence

    def lines(self) -> Iterator[str]:
        """Yield the explanation as text."""
        yield f"{self.key}: {self.sentence}"
        for name, value in self.evidence.items():
            if name != "events":
                yield f"  {name}: {_as_text(value)}"
        for event in self.evidence["events"] or ["none"]:
            yield f"  event: {_as_text(event)}"


def explain(key: str) -> Explanation:
    """Say what was or would be done with a key. Raises OSError if storage fails.

    The place of an object in quarantine, or of one that is arriving, is
    explained as the key it stands for.
    """
    key = _plain(key)
    store = object_store()
    name = reconcile.label(key)
    row = UploadedFile.objects.select_related("session").filter(key=name).first()
    trash_item = QuarantinedObject.objects.filter(key=name).first()
    stored = _describe(store, key)
    finding = _finding(store, key, stored, row, trash_item)
    return Explanation(
        name,
        RULES[finding.kind] if finding else _without_finding(stored, row, trash_item),
        finding.kind.value if finding else None,
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
    """Look for an object; a key that no object can have has none."""
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
    """Return what a run would find at this key."""
    ages = Ages.at(timezone.now(), grace=settings.CLEANUP_GRACE)
    for kind in (FindingKind.LAPSED, FindingKind.UNFINISHED, FindingKind.PAST_RETENTION):
        if row and reconcile.removable_rows(kind, ages).filter(pk=row.pk).exists():
            return Finding(kind, key)
    for kind in (FindingKind.CUT_OFF, FindingKind.PAST_QUARANTINE):
        if trash_item and reconcile.quarantine_queue(kind, ages).filter(pk=trash_item.pk).exists():
            return Finding(kind, key)
    live = row if row and row.status in WITH_OBJECT else None
    rows = [UploadRow(live.key, live.status)] if live else []
    seen = [stored] if stored and (stored.is_temporary or key.startswith(f"{PREFIX}/")) else []
    found = reconcile.reconcile(seen, iter(rows), ages, ScanProgress(lambda: None))
    return next(reconcile.confirmed(store, ages, list(found)), None)


def _without_finding(
    stored: StoredObject | None, row: UploadedFile | None, trash_item: QuarantinedObject | None
) -> str:
    if row is None and stored:
        return _found_nothing_at(stored)
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


def _found_nothing_at(stored: StoredObject) -> str:
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

"""The entries of the trash: each step is recorded before it starts and after it ends.

Every question and every change is asked and made under the locks of the session,
the file and the entry, in this order. A key that a file claims never gets an
entry that lets its object be purged: its object is restored instead.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import groupby

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, record_many
from common import context
from sessions_app.models import SessionStatus
from uploads_app import events
from uploads_app.cleanup.reconcile import session_of
from uploads_app.models import (
    IN_QUOTA,
    SESSION_ERASED,
    WITH_OBJECT,
    QuarantinedObject,
    TrashStatus,
    UploadedFile,
)
from uploads_app.services.transition import lock_sessions, lock_uploads
from uploads_app.storage.base import StoredObject

# The status and the event of a step that is done.
_DONE: dict[str, tuple[TrashStatus, EventType]] = {
    TrashStatus.QUARANTINING: (TrashStatus.QUARANTINED, events.OBJECT_QUARANTINED),
    TrashStatus.RESTORING: (TrashStatus.RESTORED, events.OBJECT_RESTORED),
    TrashStatus.PURGING: (TrashStatus.PURGED, events.OBJECT_PURGED),
}


class NotRestored(Exception):
    """An object could not be restored; the sentence says why."""


@dataclass(frozen=True)
class Locked:
    """The rows and entries of some keys, locked until the transaction ends."""

    files: dict[str, UploadedFile]
    entries: dict[str, QuarantinedObject]
    erased: frozenset[object]

    def is_claimed(self, key: str) -> bool:
        return key in self.files and self.files[key].status in IN_QUOTA

    def is_orphan(self, key: str) -> bool:
        """Return whether the object at a key may go to the trash.

        Not if a file needs or deletes it, another step is under way, or a person restored it.
        """
        entry, upload = self.entries.get(key), self.files.get(key)
        is_free = entry is None or entry.status == TrashStatus.PURGED or entry.has_ended(upload)
        return is_free and not (upload and upload.status in WITH_OBJECT)

    def is_restored(self, key: str) -> bool:
        return key in self.entries and self.entries[key].status == TrashStatus.RESTORED

    def keeps_in_trash(self, key: str) -> bool:
        """Return whether an entry knows an object of the trash."""
        finished = (TrashStatus.PURGED, TrashStatus.RESTORED)
        return key in self.entries and self.entries[key].status not in finished

    def in_trash(self) -> list[QuarantinedObject]:
        return [e for e in self.entries.values() if e.status == TrashStatus.QUARANTINED]

    def reason(self, key: str) -> str:
        if session_of(key) in self.erased:
            return SESSION_ERASED
        return f"file_{self.files[key].status}" if key in self.files else "no_row"


@contextmanager
def locked(keys: Iterable[str]) -> Iterator[Locked]:
    """Run the block in a transaction that holds the locks of keys."""
    wanted = set(keys)
    with transaction.atomic():
        sessions = lock_sessions({uuid for key in wanted if (uuid := session_of(key))})
        files = lock_uploads(wanted)
        entries = QuarantinedObject.objects.select_for_update().filter(key__in=wanted)
        yield Locked(
            {file.key: file for file in files},
            {entry.key: entry for entry in entries.order_by("pk")},
            frozenset(s.pk for s in sessions if s.status == SessionStatus.ERASED),
        )


def begin_moves(found: Sequence[StoredObject], reason: str = "") -> list[QuarantinedObject]:
    """Record that the orphans among the objects move to the trash, for a reason other than usual."""
    with locked(stored.key for stored in found) as now:
        orphans = [stored for stored in found if now.is_orphan(stored.key)]
        return _write(orphans, TrashStatus.QUARANTINING, now, reason)


def begin_restores(trashed: Sequence[StoredObject]) -> list[QuarantinedObject]:
    """Record that objects of the trash, given by their original keys, return to them.

    Only those whose file claims them, or that were restored before.
    """
    with locked(stored.key for stored in trashed) as now:
        due = [s for s in trashed if now.is_claimed(s.key) or now.is_restored(s.key)]
        known = [now.entries[stored.key] for stored in due if stored.key in now.entries]
        new = [stored for stored in due if stored.key not in now.entries]
        return [*_begin(known, TrashStatus.RESTORING), *_write(new, TrashStatus.RESTORING, now)]


def begin_restore(key: str) -> list[QuarantinedObject]:
    """Record that staff restore an object; return nothing if it is not in the trash.

    Raises NotRestored for an object of an erased session: only the next cleanup may have it.
    """
    with locked([key]) as now:
        if now.in_trash() and now.erased:
            raise NotRestored("The session that it belongs to has been erased.")
        return _begin(now.in_trash(), TrashStatus.RESTORING)


def begin_purges(due: Iterable[QuarantinedObject]) -> list[QuarantinedObject]:
    """Record that objects of the trash are purged, except those that a file claims."""
    with locked(entry.key for entry in due) as now:
        free = [entry for entry in now.in_trash() if not now.is_claimed(entry.key)]
        erased = [entry for entry in free if entry.reason == SESSION_ERASED]
        over = [entry for entry in free if entry.reason != SESSION_ERASED]
        _begin(over, TrashStatus.PURGING, reason="quarantine_over")
        return over + _begin(erased, TrashStatus.PURGING)


def record_found(trashed: Sequence[StoredObject]) -> list[QuarantinedObject]:
    """Create entries for objects of the trash, by their original keys, that have none.

    Their retention starts now.
    """
    with locked(stored.key for stored in trashed) as now:
        new = [stored for stored in trashed if not now.keeps_in_trash(stored.key)]
        written = _write(new, TrashStatus.QUARANTINED, now)
        _record(events.OBJECT_QUARANTINED, written)
        return written


def unfinished(steps: Iterable[QuarantinedObject]) -> list[QuarantinedObject]:
    """Return those of the steps that still have to be done, as they are now.

    If a file claims the object meanwhile, the step is to restore it.
    """
    with locked(step.key for step in steps) as now:
        entries = [entry for entry in now.entries.values() if entry.is_unfinished]
        claimed = [entry for entry in entries if now.is_claimed(entry.key)]
        _begin([e for e in claimed if e.is_leaving], TrashStatus.RESTORING, in_trash=True)
        # An earlier version purged some objects without the trash.
        direct = [entry for entry in entries if not entry.in_trash]
        _begin(direct, TrashStatus.QUARANTINING, in_trash=True)
        return entries


def close(steps: Sequence[QuarantinedObject]) -> list[QuarantinedObject]:
    """Record steps as done, each with its event; return those that this call has closed.

    A move to the trash stays open if a file claims the object meanwhile.
    """
    with locked(step.key for step in steps) as now:
        closed = [step for step in steps if _may_close(step, now)]
        for status, (done, event) in _DONE.items():
            of_status = [now.entries[step.key] for step in closed if step.status == status]
            _record(event, _set(of_status, done))
        return closed


def _may_close(step: QuarantinedObject, now: Locked) -> bool:
    match step.status, now.entries[step.key].status:
        case TrashStatus.QUARANTINING, TrashStatus.QUARANTINING:
            return not now.is_claimed(step.key)
        case TrashStatus.RESTORING, TrashStatus.QUARANTINED:  # another process could not restore it
            return True
        case began, current:
            return began == current


def close_as_absent(step: QuarantinedObject) -> bool:
    """Record that the object of a step exists nowhere; False if another process ended the step."""
    with locked([step.key]) as now:
        still = [entry for entry in now.entries.values() if entry.status == step.status]
        _record(events.OBJECT_PURGED, _set(still, TrashStatus.PURGED, reason="gone"))
        return bool(still)


def keep_in_trash(step: QuarantinedObject) -> None:
    """Record that an object stays in the trash, because another one has its key."""
    with locked([step.key]) as now:
        still = [entry for entry in now.entries.values() if entry.status == step.status]
        _set(still, TrashStatus.QUARANTINED)


def has_to_return(step: QuarantinedObject) -> bool:
    """Return whether a move to the trash has to be undone, and record it for a file that claims it.

    The second check of a move: while its process was frozen, another one may have
    finished the move and a person may have restored the object.
    """
    with locked([step.key]) as now:
        entries = list(now.entries.values())
        if now.is_claimed(step.key):
            _begin(entries, TrashStatus.RESTORING)
        return any(e.status in (TrashStatus.RESTORING, TrashStatus.RESTORED) for e in entries)


def _begin(
    entries: Sequence[QuarantinedObject], status: TrashStatus, **values: object
) -> list[QuarantinedObject]:
    """Change locked entries. The event of the step has the actor who begins it here."""
    return _set(entries, status, actor=context.current().actor, **values)


def _set(
    entries: Sequence[QuarantinedObject], status: TrashStatus, **values: object
) -> list[QuarantinedObject]:
    values = {"status": status, "changed_at": timezone.now(), **values}
    if entries:
        QuarantinedObject.objects.filter(pk__in=[entry.pk for entry in entries]).update(**values)
    for entry in entries:
        for name, value in values.items():
            setattr(entry, name, value)
    return list(entries)


def _write(
    found: Sequence[StoredObject], status: TrashStatus, now: Locked, reason: str = ""
) -> list[QuarantinedObject]:
    trash_items = [
        QuarantinedObject(
            key=stored.key,
            size=stored.size,
            modified_at=stored.modified,
            status=status,
            in_trash=True,
            reason=reason or now.reason(stored.key),
            actor=context.current().actor,
            quarantined_at=Now(),  # the database's clock, which the retention uses
            changed_at=Now(),
        )
        for stored in found
    ]
    QuarantinedObject.objects.bulk_create(
        trash_items,
        update_conflicts=True,
        unique_fields=["key"],
        update_fields=[
            "size", "modified_at", "status", "in_trash", "reason", "actor", "quarantined_at",
            "changed_at",
        ],
    )  # fmt: skip
    written = QuarantinedObject.objects.filter(key__in=[stored.key for stored in found])
    return list(written.order_by("key"))


def _record(event: EventType, trash_items: Sequence[QuarantinedObject]) -> None:
    """Record an event for each entry, with the actor who began its step."""
    by_actor = sorted(trash_items, key=lambda trash_item: trash_item.actor)
    for actor, of_actor in groupby(by_actor, key=lambda trash_item: trash_item.actor):
        with _as_actor(actor):
            record_many(
                event,
                [Entry(session_of(i.key), i.key, None, _details(event, i)) for i in of_actor],
            )


def _as_actor(actor: str) -> AbstractContextManager[object]:
    return context.as_actor(actor or context.current().actor)


def _details(event: EventType, trash_item: QuarantinedObject) -> dict[str, Value]:
    if event is events.OBJECT_PURGED:
        return {"reason": trash_item.reason, "size": trash_item.size}
    return {"size": trash_item.size}

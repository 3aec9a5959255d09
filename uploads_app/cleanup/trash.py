"""The trash: moves orphans there, restores them, and purges them.

The database records each step before it starts and after it ends. After a crash
the next run finishes the step, with exactly one event.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, record_many
from uploads_app import events
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.removal import RemovalResult, delete_objects
from uploads_app.models import QuarantinedObject, TrashQuerySet, TrashStatus, UploadedFile
from uploads_app.services.transition import change_rows
from uploads_app.storage.base import StoredObject, object_store
from uploads_app.storage.keys import quarantine_key

logger = logging.getLogger(__name__)

_WHY_NOT: dict[type[OSError], str] = {
    FileExistsError: "Another object has its key, so it stays in the trash.",
    FileNotFoundError: "Its bytes are missing from the trash.",
}
# The status and the event of a step that is done.
_DONE: dict[str, tuple[TrashStatus, EventType]] = {
    TrashStatus.QUARANTINING: (TrashStatus.QUARANTINED, events.OBJECT_QUARANTINED),
    TrashStatus.RESTORING: (TrashStatus.RESTORED, events.OBJECT_RESTORED),
    TrashStatus.PURGING: (TrashStatus.PURGED, events.OBJECT_PURGED),
}


class NotRestored(Exception):
    """An object could not be restored; the sentence says why."""


class StoreUnavailable(NotRestored):
    """The store failed, so restoring other objects would fail, too."""


@dataclass
class RestoreResult:
    """The keys that were restored, and the reason for each that was not."""

    keys: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def move_to_trash(found: Sequence[StoredObject]) -> RemovalResult:
    """Move objects to the trash, except those that have got a row in the meantime."""
    explained = UploadedFile.objects.filter(key__in=[stored.key for stored in found])
    known = set(explained.values_list("key", flat=True))
    orphans = [stored for stored in found if stored.key not in known]
    return finish(_begin(orphans, TrashStatus.QUARANTINING, in_trash=True, reason="no_row"))


def unknown(trashed: Sequence[StoredObject]) -> list[StoredObject]:
    """Return the objects of the trash, given by their original keys, that have no trash entry."""
    known = QuarantinedObject.objects.kept_in_trash().filter(
        key__in=[stored.key for stored in trashed]
    )
    keys = set(known.values_list("key", flat=True))
    return [stored for stored in trashed if stored.key not in keys]


def record_unknown(trashed: Sequence[StoredObject]) -> None:
    """Create entries for the `unknown` objects, whose retention starts now."""
    orphans = unknown(trashed)
    _close(_begin(orphans, TrashStatus.QUARANTINING, in_trash=True, reason="no_row"))


def purge_late(found: Sequence[StoredObject], reason: str) -> RemovalResult:
    """Delete objects that arrived under the keys of closed files."""
    return finish(_begin(found, TrashStatus.PURGING, in_trash=False, reason=reason))


def purge(trash_items: Sequence[QuarantinedObject]) -> RemovalResult:
    """Delete objects whose time in the trash is over."""
    still = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED)
    due = still.filter(pk__in=[trash_item.pk for trash_item in trash_items])
    return finish(_change(due, TrashStatus.PURGING, reason="quarantine_over"))


def restore_object(*, key: str) -> None:
    """Move an object back to its original key, where the cleanup then leaves it alone.

    Raises NotRestored, or StoreUnavailable; then the next cleanup run finishes the step.
    """
    still = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED, key=key)
    restoring = _change(still, TrashStatus.RESTORING)
    if not restoring:
        raise NotRestored("It is not in the trash.")
    [trash_item] = restoring
    try:
        _move(trash_item)
    except (FileExistsError, FileNotFoundError) as error:
        _change(_unchanged(trash_item), TrashStatus.QUARANTINED)
        raise NotRestored(_WHY_NOT[type(error)]) from error
    except OSError as error:
        logger.exception("storage did not restore %s", key)
        raise StoreUnavailable(
            "The store does not answer. The next cleanup run tries again."
        ) from error
    _close([trash_item])


def restore_objects(*, keys: Sequence[str], seconds: float = float("inf")) -> RestoreResult:
    """Restore objects until the time is over or the store fails.

    The other objects stay in the trash.
    """
    result = RestoreResult()
    deadline = time.monotonic() + seconds
    for key in keys:
        if time.monotonic() > deadline:
            break
        try:
            restore_object(key=key)
        except NotRestored as why:
            result.refused[key] = str(why)
            if isinstance(why, StoreUnavailable):
                break
        else:
            result.keys.append(key)
    return result


def finish(trash_items: Sequence[QuarantinedObject]) -> RemovalResult:
    """Finish recorded steps, whichever run started them. The next run repeats what fails."""
    purging = [trash_item for trash_item in trash_items if trash_item.status == TrashStatus.PURGING]
    failed = set(delete_objects([_place(trash_item) for trash_item in purging]))
    done = [trash_item for trash_item in purging if _place(trash_item) not in failed]
    for trash_item in trash_items:
        if trash_item.status != TrashStatus.PURGING:
            try:
                _move(trash_item)
            except FileNotFoundError:
                logger.warning("%s does not exist, so there is nothing to move", trash_item.key)
                done += _change(_unchanged(trash_item), TrashStatus.PURGING, reason="gone")
            except OSError:
                logger.exception("storage did not move %s", trash_item.key)
                failed.add(trash_item.key)
            else:
                done.append(trash_item)
    _close(done)
    ended = {trash_item.key for trash_item in done}
    return RemovalResult(
        {trash_item.key: trash_item.size for trash_item in trash_items if trash_item.key in ended},
        len(failed),
    )


def _begin(
    found: Sequence[StoredObject], status: TrashStatus, *, in_trash: bool, reason: str
) -> list[QuarantinedObject]:
    trash_items = [
        QuarantinedObject(
            key=stored.key,
            size=stored.size,
            modified_at=stored.modified,
            status=status,
            in_trash=in_trash,
            reason=reason,
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
            "size", "modified_at", "status", "in_trash", "reason", "quarantined_at", "changed_at",
        ],
    )  # fmt: skip
    begun = QuarantinedObject.objects.filter(key__in=[trash_item.key for trash_item in trash_items])
    return list(begun.filter(status=status).order_by("key"))


def _move(trash_item: QuarantinedObject) -> None:
    """Move an object to the place of its step. Raises OSError."""
    places = (trash_item.key, quarantine_key(trash_item.key))
    source, target = places if trash_item.status == TrashStatus.QUARANTINING else places[::-1]
    object_store().move(source, target)


def _place(trash_item: QuarantinedObject) -> str:
    return quarantine_key(trash_item.key) if trash_item.in_trash else trash_item.key


def _close(trash_items: Sequence[QuarantinedObject]) -> None:
    """Record steps as done, each with its event, except those that are already recorded."""
    with transaction.atomic():
        for status, (closed, event) in _DONE.items():
            keys = [trash_item.pk for trash_item in trash_items if trash_item.status == status]
            still = QuarantinedObject.objects.filter(pk__in=keys, status=status)
            changed = _change(still, closed)
            record_many(
                event,
                (
                    Entry(
                        reconcile.session_of(trash_item.key),
                        trash_item.key,
                        None,
                        _details(event, trash_item),
                    )
                    for trash_item in changed
                ),
            )


def _details(event: EventType, trash_item: QuarantinedObject) -> dict[str, Value]:
    if event is events.OBJECT_PURGED:
        return {"reason": trash_item.reason, "size": trash_item.size}
    return {"size": trash_item.size}


def _unchanged(trash_item: QuarantinedObject) -> TrashQuerySet:
    return QuarantinedObject.objects.filter(pk=trash_item.pk, status=trash_item.status)


def _change(among: TrashQuerySet, status: TrashStatus, **values: object) -> list[QuarantinedObject]:
    with transaction.atomic():
        return change_rows(among, status=status, changed_at=timezone.now(), **values)

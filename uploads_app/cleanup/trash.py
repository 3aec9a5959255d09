"""Objects that no live row explains: put aside, given back, or purged.

Each step is written down before it is taken and once more when it is done, so
that a crash in between is finished by the next run, and told exactly once.
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
    FileExistsError: "Another object has taken its place, so it stays in quarantine.",
    FileNotFoundError: "Its bytes cannot be found in quarantine.",
}
# What a step becomes when it is done, and the event that tells it.
_DONE: dict[str, tuple[TrashStatus, EventType]] = {
    TrashStatus.QUARANTINING: (TrashStatus.QUARANTINED, events.OBJECT_QUARANTINED),
    TrashStatus.RESTORING: (TrashStatus.RESTORED, events.OBJECT_RESTORED),
    TrashStatus.PURGING: (TrashStatus.PURGED, events.OBJECT_PURGED),
}


class NotRestored(Exception):
    """An object could not be given back; says why, and what becomes of it."""


class StoreSilent(NotRestored):
    """It was the store that failed, so others will not come back either."""


@dataclass
class RestoreResult:
    """Which objects were given back, and why each of the others was not."""

    keys: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def move_to_trash(found: Sequence[StoredObject]) -> RemovalResult:
    """Move objects into quarantine, unless a row has come to explain one meanwhile."""
    explained = UploadedFile.objects.filter(key__in=[stored.key for stored in found])
    known = set(explained.values_list("key", flat=True))
    orphans = [stored for stored in found if stored.key not in known]
    return finish(_begin(orphans, TrashStatus.QUARANTINING, in_trash=True, reason="no_row"))


def unknown(trashed: Sequence[StoredObject]) -> list[StoredObject]:
    """Return those that lie in quarantine, given under their old keys, and are not known to."""
    known = QuarantinedObject.objects.kept_in_trash().filter(
        key__in=[stored.key for stored in trashed]
    )
    keys = set(known.values_list("key", flat=True))
    return [stored for stored in trashed if stored.key not in keys]


def take_in(trashed: Sequence[StoredObject]) -> None:
    """Note what is `unknown`; it is kept as long as if it had been put aside now."""
    orphans = unknown(trashed)
    _close(_begin(orphans, TrashStatus.QUARANTINING, in_trash=True, reason="no_row"))


def purge_late(found: Sequence[StoredObject], reason: str) -> RemovalResult:
    """Remove objects that arrived under the keys of closed files."""
    return finish(_begin(found, TrashStatus.PURGING, in_trash=False, reason=reason))


def purge(trash_items: Sequence[QuarantinedObject]) -> RemovalResult:
    """Remove objects whose time in quarantine is over."""
    still = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED)
    due = still.filter(pk__in=[trash_item.pk for trash_item in trash_items])
    return finish(_change(due, TrashStatus.PURGING, reason="quarantine_over"))


def restore_object(*, key: str) -> None:
    """Give an object back to its old key, where the cleanup then leaves it alone.

    Raises NotRestored; StoreSilent if it was the store that failed: the next cleanup run goes on.
    """
    still = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED, key=key)
    restoring = _change(still, TrashStatus.RESTORING)
    if not restoring:
        raise NotRestored("It is not in quarantine (any more).")
    [trash_item] = restoring
    try:
        _move(trash_item)
    except (FileExistsError, FileNotFoundError) as error:
        _change(_unchanged(trash_item), TrashStatus.QUARANTINED)
        raise NotRestored(_WHY_NOT[type(error)]) from error
    except OSError as error:
        logger.exception("storage did not give %s back", key)
        raise StoreSilent("The store does not answer; the next cleanup goes on.") from error
    _close([trash_item])


def restore_objects(*, keys: Sequence[str], seconds: float = float("inf")) -> RestoreResult:
    """Give objects back, each with its event, until the time is over or the store fails.

    What is not reached stays in quarantine.
    """
    given = RestoreResult()
    deadline = time.monotonic() + seconds
    for key in keys:
        if time.monotonic() > deadline:
            break
        try:
            restore_object(key=key)
        except NotRestored as why:
            given.refused[key] = str(why)
            if isinstance(why, StoreSilent):
                break
        else:
            given.keys.append(key)
    return given


def finish(trash_items: Sequence[QuarantinedObject]) -> RemovalResult:
    """Take the steps that are written down, whoever began them; what fails is tried again."""
    purging = [trash_item for trash_item in trash_items if trash_item.status == TrashStatus.PURGING]
    failed = set(delete_objects([_place(trash_item) for trash_item in purging]))
    done = [trash_item for trash_item in purging if _place(trash_item) not in failed]
    for trash_item in trash_items:
        if trash_item.status != TrashStatus.PURGING:
            try:
                _move(trash_item)
            except FileNotFoundError:
                logger.warning("%s is gone, so there is nothing to move", trash_item.key)
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
            quarantined_at=Now(),  # the clock that says when their time is over
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
    """Move an object to where its step wants it. Raises OSError."""
    places = (trash_item.key, quarantine_key(trash_item.key))
    source, target = places if trash_item.status == TrashStatus.QUARANTINING else places[::-1]
    object_store().move(source, target)


def _place(trash_item: QuarantinedObject) -> str:
    return quarantine_key(trash_item.key) if trash_item.in_trash else trash_item.key


def _close(trash_items: Sequence[QuarantinedObject]) -> None:
    """Write down that steps are done, each with its event, unless somebody else already has."""
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

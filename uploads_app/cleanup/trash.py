"""The trash: moves orphans there, restores them, and purges them.

Each step is recorded before it starts and after it ends, in `trash_entries`. After
a crash the next run finishes the step, with exactly one event. A process that was
frozen in the middle checks again after its move, and undoes it where it came too late.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from uploads_app.cleanup import trash_entries
from uploads_app.cleanup.removal import RemovalResult, delete_objects
from uploads_app.models import (
    SESSION_ERASED,
    QuarantinedObject,
    TrashStatus,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.recovery import mark_found
from uploads_app.storage.base import StoredObject, object_store
from uploads_app.storage.keys import quarantine_key

logger = logging.getLogger(__name__)

_WHY_NOT: dict[type[OSError], str] = {
    FileExistsError: "Another object has its key, so it stays in the trash.",
    FileNotFoundError: "Its bytes are missing from the trash.",
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


def move_to_trash(found: Sequence[StoredObject], *, reason: str = "") -> RemovalResult:
    """Move objects to the trash, except those that a file needs. Purge those of erased sessions."""
    return _without_erased(finish(trash_entries.begin_moves(found, reason)))


def _without_erased(moved: RemovalResult) -> RemovalResult:
    erased = QuarantinedObject.objects.in_trash().filter(key__in=moved.done, reason=SESSION_ERASED)
    moved.failed += purge(list(erased)).failed
    return moved


def purge(trash_items: Sequence[QuarantinedObject]) -> RemovalResult:
    """Delete objects whose time in the trash is over, except those that a file claims."""
    return finish(trash_entries.begin_purges(trash_items))


def return_to_files(trashed: Sequence[StoredObject]) -> RemovalResult:
    """Move objects of the trash, given by their original keys, back to the files that claim them.

    Also those that a person has restored before.
    """
    returned = finish(trash_entries.begin_restores(trashed))
    missing = UploadedFile.objects.filter(status=UploadStatus.MISSING, key__in=returned.done)
    for upload in missing:
        mark_found(upload=upload)
    return returned


def record_found(trashed: Sequence[StoredObject]) -> RemovalResult:
    """Create entries for objects of the trash, by their original keys, that have none."""
    recorded = trash_entries.record_found(trashed)
    sizes = {trash_item.key: trash_item.size for trash_item in recorded}
    return _without_erased(RemovalResult(sizes))


def restore_object(*, key: str) -> None:
    """Move an object back to its original key, where the cleanup then leaves it alone.

    Raises NotRestored, or StoreUnavailable; then the next cleanup run finishes the step.
    """
    steps = trash_entries.begin_restore(key)
    if not steps:
        raise NotRestored("It is not in the trash.")
    [step] = steps
    try:
        _move(step)
    except (FileExistsError, FileNotFoundError) as error:
        trash_entries.keep_in_trash(step)
        raise NotRestored(_WHY_NOT[type(error)]) from error
    except OSError as error:
        logger.exception("storage did not restore %s", key)
        raise StoreUnavailable(
            "The store does not answer. The next cleanup run tries again."
        ) from error
    trash_entries.close(steps)


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
    steps = trash_entries.unfinished(trash_items)
    purging = [step for step in steps if step.status == TrashStatus.PURGING]
    result = _purge(purging) if purging else RemovalResult()
    for step in steps:
        if step.status != TrashStatus.PURGING:
            _finish_move(step, result)
    return result


def _purge(steps: Sequence[QuarantinedObject]) -> RemovalResult:
    failed = delete_objects([quarantine_key(step.key) for step in steps])
    deleted = [step for step in steps if quarantine_key(step.key) not in failed]
    closed = trash_entries.close(deleted)
    return RemovalResult({step.key: step.size for step in closed}, len(failed))


def _finish_move(step: QuarantinedObject, result: RemovalResult) -> None:
    """Move one object, and add it to the result if that ended its step."""
    try:
        if _carry_out(step):
            result.done[step.key] = step.size
    except OSError:
        logger.exception("storage did not move %s", step.key)
        result.failed += 1


def _carry_out(step: QuarantinedObject) -> bool:
    """Move the object of a step; False if another process ended it. Raises OSError."""
    steps = trash_entries.unfinished([step])
    if not steps or steps[0].status == TrashStatus.PURGING:
        return False
    [step] = steps
    try:
        _move(step)
    except FileNotFoundError:
        logger.warning("%s does not exist, so there is nothing to move", step.key)
        return trash_entries.close_as_absent(step)
    except FileExistsError:
        logger.warning("two objects with different bytes have the key %s", step.key)
        trash_entries.keep_in_trash(step)
        return False
    if trash_entries.close([step]):
        return True
    return step.status == TrashStatus.QUARANTINING and _undo_late_move(step)


def _undo_late_move(step: QuarantinedObject) -> bool:
    """Return an object that was moved to the trash too late; True if that ended its step."""
    if not trash_entries.has_to_return(step):
        return False
    logger.warning("%s returns from the trash, because its move came too late", step.key)
    with suppress(FileNotFoundError):  # another process has returned it
        object_store().move(quarantine_key(step.key), step.key)
    step.status = TrashStatus.RESTORING
    return bool(trash_entries.close([step]))


def _move(step: QuarantinedObject) -> None:
    """Move an object to the place of its step. Raises OSError."""
    places = (step.key, quarantine_key(step.key))
    source, target = places if step.status == TrashStatus.QUARANTINING else places[::-1]
    object_store().move(source, target)

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
from uploads_app.cleanup.trash_entries import NotRestored
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

# Steps between two questions whether they still have to be done.
STEPS_AT_ONCE = 100
_WHY_NOT: dict[type[OSError], str] = {
    FileExistsError: "Another object has its key, so it stays in the trash.",
    FileNotFoundError: "Its bytes are missing from the trash.",
}


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
        object_store().move(*_places(step))
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
    result = RemovalResult()
    for begin in range(0, len(trash_items), STEPS_AT_ONCE):
        steps = trash_entries.unfinished(trash_items[begin : begin + STEPS_AT_ONCE])
        _purge([step for step in steps if step.status == TrashStatus.PURGING], result)
        _move_all([step for step in steps if step.status != TrashStatus.PURGING], result)
    return result


def _purge(steps: Sequence[QuarantinedObject], result: RemovalResult) -> None:
    failed = delete_objects([quarantine_key(step.key) for step in steps])
    result.failed += len(failed)
    _close([step for step in steps if quarantine_key(step.key) not in failed], result)


def _move_all(steps: Sequence[QuarantinedObject], result: RemovalResult) -> None:
    """Move the objects of steps, and add those whose step has ended to the result."""
    try:
        failed = object_store().move_many(dict(map(_places, steps)))
    except OSError:
        logger.exception("storage did not move %s objects", len(steps))
        result.failed += len(steps)
        return
    moved = []
    for step in steps:
        if error := failed.get(_places(step)[0]):
            _end_without_move(step, error, result)
        else:
            moved.append(step)
    for step in _close(moved, result):
        if step.status == TrashStatus.QUARANTINING:
            _undo_late_move(step, result)


def _close(steps: Sequence[QuarantinedObject], result: RemovalResult) -> list[QuarantinedObject]:
    """Add the steps that this call ends to the result; return those that others have ended."""
    closed = trash_entries.close(steps) if steps else []
    result.done |= {step.key: step.size for step in closed}
    return [step for step in steps if step.key not in result.done]


def _end_without_move(step: QuarantinedObject, error: OSError, result: RemovalResult) -> None:
    if isinstance(error, FileNotFoundError):
        logger.warning("%s does not exist, so there is nothing to move", step.key)
        if trash_entries.close_as_absent(step):
            result.done[step.key] = step.size
    elif isinstance(error, FileExistsError):
        logger.warning("two objects with different bytes have the key %s", step.key)
        trash_entries.keep_in_trash(step)
    else:
        logger.error("storage did not move %s", step.key, exc_info=error)
        result.failed += 1


def _undo_late_move(step: QuarantinedObject, result: RemovalResult) -> None:
    """Return an object that was moved to the trash too late."""
    if not trash_entries.has_to_return(step):
        return
    logger.warning("%s returns from the trash, because its move came too late", step.key)
    try:
        with suppress(FileNotFoundError):  # another process has returned it
            object_store().move(quarantine_key(step.key), step.key)
    except OSError:
        logger.exception("storage did not return %s", step.key)
        result.failed += 1
        return
    step.status = TrashStatus.RESTORING
    _close([step], result)


def _places(step: QuarantinedObject) -> tuple[str, str]:
    """Return where the object of a step is, and where it belongs."""
    files, trash = step.key, quarantine_key(step.key)
    return (files, trash) if step.status == TrashStatus.QUARANTINING else (trash, files)

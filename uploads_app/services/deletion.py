"""Delete a file, or give up an upload that does not finish.

A row stops being live before its object is removed.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.utils import timezone

from uploads_app import events, marker
from uploads_app.models import (
    VISIBLE,
    WITH_OBJECT,
    UploadedFile,
    UploadQuerySet,
    UploadStatus,
    object_keys,
)
from uploads_app.services.transition import (
    change_upload,
    change_uploads,
    lock_sessions,
    lock_uploads,
)
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key

logger = logging.getLogger(__name__)

# The columns of a deletion's event, and the key.
_DELETED = ("session", "key", "name", "size", "sha256", "delete_reason")


def delete_upload(*, upload: UploadedFile) -> None:
    """Delete a file for its visitor.

    The session loses it at once. If the store fails, the row stays `deleting`
    and the next cleanup run deletes the object. A direct upload that was not
    completed is given up.
    """
    if upload.status == UploadStatus.PENDING and lapse_upload(upload=upload, reason="visitor"):
        with suppress(OSError):
            remove_leftovers(upload)
        return
    visible = UploadedFile.objects.filter(status__in=VISIBLE)
    if begin_deletion(upload=upload, among=visible, reason="visitor"):
        try:
            finish_deletion(upload=upload)
        except OSError as error:
            logger.warning("The store did not delete %s, the cleanup will: %s", upload.key, error)


def begin_deletion(*, upload: UploadedFile, among: UploadQuerySet, reason: str) -> bool:
    """Mark an upload as `deleting` and free its quota; False if it is not in `among` any more."""
    return change_upload(
        upload, among, frees_quota=True, status=UploadStatus.DELETING, delete_reason=reason
    )


def begin_deletions(
    uploads: Sequence[UploadedFile], among: UploadQuerySet, *, reason: str
) -> list[UploadedFile]:
    """Do `begin_deletion` for many uploads; return those that changed, with their `object_keys`."""
    return change_uploads(
        uploads,
        among.only("session", "key", "direct"),
        frees_quota=True,
        status=UploadStatus.DELETING,
        delete_reason=reason,
    )


def finish_deletion(*, upload: UploadedFile) -> bool:
    """Delete the object of a `deleting` upload and close its row; False if it was closed already.

    Raises OSError if the store fails; the row stays `deleting`.
    """
    remove_bytes(upload)
    return bool(close_deletions([upload]))


def still_deleting(uploads: Sequence[UploadedFile]) -> list[UploadedFile]:
    """Return those of the uploads that are `deleting` now, asked under their locks."""
    with transaction.atomic():
        lock_sessions({upload.session_id for upload in uploads})
        rows = lock_uploads([upload.key for upload in uploads])
    return [row for row in rows if row.status == UploadStatus.DELETING]


def close_deletions(uploads: Sequence[UploadedFile]) -> list[UploadedFile]:
    """Mark `deleting` uploads whose objects are deleted as `deleted`; return those that changed."""
    return change_uploads(
        uploads,
        UploadedFile.objects.deleting().only(*_DELETED),
        event=events.DELETED,
        details=lambda upload: {
            "reason": upload.delete_reason,
            "size": upload.size,
            "sha256": upload.sha256,
        },
        status=UploadStatus.DELETED,
        deleted_at=timezone.now(),
    )


def lapse_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Give up a pending upload and free its quota; False if it is not pending any more."""
    return change_upload(upload, UploadedFile.objects.pending(), **_lapse(reason))


def lapse_uploads(uploads: Sequence[UploadedFile], among: UploadQuerySet) -> list[UploadedFile]:
    """Give up uploads whose lease ran out; return those that changed."""
    return change_uploads(uploads, among, **_lapse("lease"))


def reject_upload(*, upload: UploadedFile, code: str) -> bool:
    """Refuse the content of a pending upload and free its quota; False if it is not pending."""
    rejected = change_upload(
        upload,
        UploadedFile.objects.pending(),
        event=events.REJECTED,
        details=lambda _: {"code": code},
        frees_quota=True,
        status=UploadStatus.REJECTED,
        retry_key=None,
    )
    if rejected:
        with suppress(OSError):  # the cleanup deletes the rest
            object_store().delete(incoming_key(upload.key))
            _note_removal(upload)
    return rejected


def give_up_upload(*, upload: UploadedFile, reason: str, is_own_object: bool = True) -> None:
    """Give up an upload that cannot be finished, and delete the bytes that arrived.

    An object that an earlier request wrote stays for the cleanup, which moves it to
    the trash: that request may have been answered with 201.
    """
    lapse_upload(upload=upload, reason=reason)
    if upload.status not in WITH_OBJECT and is_own_object:
        with suppress(OSError):  # the cleanup deletes the rest
            remove_bytes(upload)


def remove_bytes(upload: UploadedFile) -> None:
    """Delete every object that a closed upload may have.

    Raises OSError if the store fails, or is not ours: then the right one keeps the bytes.
    """
    marker.require_own_store()
    for key in object_keys(upload):
        object_store().delete(key)


def remove_leftovers(upload: UploadedFile) -> None:
    """Delete what an upload that was given up has left in the store, and note the time."""
    remove_bytes(upload)
    _note_removal(upload)


def _note_removal(upload: UploadedFile) -> None:
    UploadedFile.objects.filter(pk=upload.pk).update(deleted_at=timezone.now())


def _lapse(reason: str) -> dict[str, Any]:
    return {
        "event": events.LAPSED,
        "details": lambda _: {"reason": reason},
        "frees_quota": True,
        "status": UploadStatus.LAPSED,
        "retry_key": None,
    }

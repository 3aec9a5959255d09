"""Delete a file, or give up an upload that does not finish.

A row stops being live before its object is removed.
"""

import logging
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from uploads_app import events
from uploads_app.models import (
    VISIBLE,
    WITH_OBJECT,
    UploadedFile,
    UploadQuerySet,
    UploadStatus,
    object_keys,
)
from uploads_app.services.transition import free_quota, lock, move, record_upload
from uploads_app.storage.base import object_store

logger = logging.getLogger(__name__)


def delete_upload(*, upload: UploadedFile) -> None:
    """Delete a file for its visitor: at once from the session, its bytes as soon as storage obeys.

    If storage fails the row stays `deleting`, and the next cleanup finishes it. A direct upload
    that has not been completed is given up.
    """
    if upload.status == UploadStatus.PENDING:
        if lapse_upload(upload=upload, reason="visitor"):
            with suppress(OSError):
                remove_leftovers(upload)
            return
        upload.refresh_from_db()
    visible = UploadedFile.objects.filter(status__in=VISIBLE)
    if begin_deletion(upload=upload, among=visible, reason="visitor"):
        try:
            finish_deletion(upload=upload)
        except OSError:
            logger.exception("storage did not delete %s; the cleanup will", upload.key)


def begin_deletion(*, upload: UploadedFile, among: UploadQuerySet, reason: str) -> bool:
    """Take a file from its session and free its quota; False if it is not in `among` any more."""
    with transaction.atomic():
        lock(upload)
        if not move(among, upload, status=UploadStatus.DELETING, delete_reason=reason):
            return False
        free_quota(upload)
        return True


def finish_deletion(*, upload: UploadedFile) -> bool:
    """Remove the object of a `deleting` file and close its row; False if somebody else did.

    Raises OSError if storage fails; the row stays `deleting`.
    """
    remove_bytes(upload)
    with transaction.atomic():
        moved = move(
            UploadedFile.objects.deleting(),
            upload,
            status=UploadStatus.DELETED,
            deleted_at=timezone.now(),
        )
        if moved:
            record_upload(
                events.DELETED,
                upload,
                reason=upload.delete_reason,
                size=upload.size,
                sha256=upload.sha256,
            )
        return moved


def lapse_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Give up an upload that did not finish and free its quota; False if it did finish."""
    pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
    among = UploadedFile.objects.lapsed() if reason == "lease" else pending
    with transaction.atomic():
        lock(upload)
        if not move(among, upload, status=UploadStatus.LAPSED, retry_key=None):
            return False
        free_quota(upload)
        record_upload(events.LAPSED, upload, reason=reason)
        return True


def reject_upload(*, upload: UploadedFile, code: str) -> bool:
    """Refuse what has arrived of a pending upload and free its quota; False if it is not pending."""
    with transaction.atomic():
        lock(upload)
        pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
        if not move(pending, upload, status=UploadStatus.REJECTED, retry_key=None):
            return False
        free_quota(upload)
        record_upload(events.REJECTED, upload, code=code)
    with suppress(OSError):  # the cleanup removes what stays
        remove_leftovers(upload)
    return True


def give_up_upload(*, upload: UploadedFile, reason: str) -> None:
    """Let an upload that cannot be finished lapse, and remove what has arrived of it."""
    lapse_upload(upload=upload, reason=reason)
    if upload.status not in WITH_OBJECT:
        with suppress(OSError):  # the cleanup removes what stays
            remove_bytes(upload)


def remove_bytes(upload: UploadedFile) -> None:
    """Remove what the store may have of a closed file; raises OSError if storage fails."""
    for key in object_keys(upload):
        object_store().delete(key)


def remove_leftovers(upload: UploadedFile) -> None:
    """Make sure that an upload that came to nothing has left no object."""
    remove_bytes(upload)
    UploadedFile.objects.filter(pk=upload.pk).update(deleted_at=timezone.now())

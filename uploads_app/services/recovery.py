"""Change rows to match the objects that the cleanup found in the store."""

import uuid

from django.db import transaction
from django.utils import timezone

from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.inspection.file_types import (
    KNOWN_TYPES,
)
from uploads_app.models import (
    UploadedFile,
    UploadQuota,
    UploadStatus,
)
from uploads_app.services.quota import recount_quotas
from uploads_app.services.transition import Details, change_upload, record_upload
from uploads_app.services.upload import read_back
from uploads_app.storage.base import StoredObject


def mark_missing(*, upload: UploadedFile) -> bool:
    """Mark a stored upload whose object is absent; False if it is not stored any more."""
    return change_upload(
        upload,
        UploadedFile.objects.filter(status=UploadStatus.STORED),
        event=events.MISSING,
        details=_size_and_hash,
        status=UploadStatus.MISSING,
    )


def mark_found(*, upload: UploadedFile) -> bool:
    """Mark a missing upload whose object is back; False if it is not missing any more."""
    return change_upload(
        upload,
        UploadedFile.objects.filter(status=UploadStatus.MISSING),
        event=events.FOUND,
        details=_size_and_hash,
        status=UploadStatus.STORED,
    )


def finish_pending(*, upload: UploadedFile) -> bool:
    """Mark a pending upload as stored after a restore; False if it is not pending any more.

    Its object must be whole. Raises OSError if the store fails.
    """
    return change_upload(
        upload,
        UploadedFile.objects.pending(),
        event=events.RESTORED,
        details=lambda _: {"reason": "adopted"},
        status=UploadStatus.STORED,
        sha256=read_back(upload.key).sha256,
        stored_at=timezone.now(),
    )


def recover_upload(*, session: UserSession, stored: StoredObject) -> bool:
    """Create the row of an object that a restored database does not know; False if it exists.

    The file name is lost. The quota is not checked: it was when the file was uploaded.
    """
    upload_id, _, extension = stored.key.rpartition("/")[2].partition(".")
    written = read_back(stored.key)
    with transaction.atomic():
        UserSession.objects.select_for_update().get(pk=session.pk)
        upload, is_new = UploadedFile.objects.get_or_create(
            id=uuid.UUID(upload_id),
            defaults={
                "session": session,
                "key": stored.key,
                "name": f"recovered.{extension}",
                "status": UploadStatus.STORED,
                "size": written.size,
                "content_type": KNOWN_TYPES.get(extension, "application/octet-stream"),
                "sha256": written.sha256,
                "created_at": stored.modified,
                "stored_at": timezone.now(),
                "lease_expires_at": timezone.now(),
            },
        )
        if is_new:
            UploadQuota.objects.get_or_create(session=session)
            recount_quotas([session.pk])
            record_upload(events.RESTORED, upload, reason="adopted")
        return is_new


def _size_and_hash(upload: UploadedFile) -> Details:
    return {"size": upload.size, "sha256": upload.sha256}

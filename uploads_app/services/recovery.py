"""Change rows to match the objects that the cleanup found in the store."""

import uuid
from typing import Any

from django.db import transaction
from django.db.models import F
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
from uploads_app.services.transition import lock, mark, move, record_upload
from uploads_app.services.upload import read_back
from uploads_app.storage.base import StoredObject


def mark_missing(*, upload: UploadedFile) -> bool:
    """Note that a stored file's object is gone."""
    return mark(upload, UploadStatus.STORED, UploadStatus.MISSING, events.MISSING, **_bytes(upload))


def mark_found(*, upload: UploadedFile) -> bool:
    """Note that a missing file's object is back."""
    return mark(upload, UploadStatus.MISSING, UploadStatus.STORED, events.FOUND, **_bytes(upload))


def finish_pending(*, upload: UploadedFile) -> bool:
    """Take an upload whose object is whole for stored, after a restore; False if it is not pending."""
    written = read_back(upload.key)
    with transaction.atomic():
        lock(upload)
        pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
        values = {"sha256": written.sha256, "stored_at": timezone.now()}
        if not move(pending, upload, status=UploadStatus.STORED, **values):
            return False
        record_upload(events.RESTORED, upload, reason="adopted")
        return True


def recover_upload(*, session: UserSession, stored: StoredObject) -> bool:
    """Make the row of an object that a restored database does not know; False if there is one.

    Its name is lost, and no quota stands in its way: it had passed that before.
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
            UploadQuota.objects.filter(session=session).update(
                files=F("files") + 1, bytes=F("bytes") + upload.size
            )
            record_upload(events.RESTORED, upload, reason="adopted")
        return is_new


def _bytes(upload: UploadedFile) -> dict[str, Any]:
    return {"size": upload.size, "sha256": upload.sha256}

"""Change rows to match the objects that the cleanup found in the store."""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone

from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.inspection.file_types import (
    KNOWN_TYPES,
)
from uploads_app.models import (
    UploadedFile,
    UploadQuerySet,
    UploadQuota,
    UploadStatus,
)
from uploads_app.services.quota import recount_quotas
from uploads_app.services.transition import Details, change_upload, record_upload
from uploads_app.services.upload import read_back
from uploads_app.storage.base import StoredObject, object_store


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


def has_arrived(upload: UploadedFile) -> bool:
    """Return whether the object of a pending upload is whole, so that it can be marked as stored.

    Its visitor may have the answer 201: a database that failed over or was restored
    can have lost the commit. A transferred file is not completed, because its
    verdict was not copied; staff can transfer it again.
    """
    if upload.restored_from_id is not None:
        return False
    stored = object_store().describe(upload.key)
    if stored is None or stored.is_link or stored.size != upload.size:
        return False
    return not upload.sha256 or read_back(upload.key).sha256 == upload.sha256


def finish_pending(*, upload: UploadedFile) -> bool:
    """Mark a pending upload as stored after a restore; False if it is not pending any more.

    It must have arrived. Raises OSError if the store fails.
    """
    return change_upload(
        upload,
        UploadedFile.objects.pending(),
        event=events.RESTORED,
        details=lambda _: {"reason": "adopted"},
        **_as_stored(upload),
    )


def complete_lapsed(*, upload: UploadedFile, among: UploadQuerySet) -> bool:
    """Mark an upload that has arrived as stored, as its writer would have; False if not in `among`.

    Raises OSError if the store fails.
    """
    return change_upload(
        upload,
        among,
        event=events.STORED,
        details=lambda row: _size_and_hash(row) | {"content_type": row.content_type},
        **_as_stored(upload),
    )


def _as_stored(upload: UploadedFile) -> dict[str, Any]:
    return {
        "status": UploadStatus.STORED,
        "sha256": read_back(upload.key).sha256,
        "stored_at": timezone.now(),
    }


def recover_upload(*, session: UserSession, stored: StoredObject, place: str = "") -> bool:
    """Create the row of an object that a restored database does not know; False if it exists.

    Its bytes are at `place`, if not at its key. The file name is lost. The quota is not checked: it was when the file was uploaded.
    """
    upload_id, _, extension = stored.key.rpartition("/")[2].partition(".")
    written = read_back(place or stored.key)
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

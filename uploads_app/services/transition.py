"""How one row of a file changes: locked, changed only if it still fits, and recorded."""

from typing import Any

from django.db import transaction
from django.db.models import F

from audit_app.events import EventType
from audit_app.services import Personal, record
from sessions_app.models import UserSession
from uploads_app.models import (
    UploadedFile,
    UploadQuerySet,
    UploadQuota,
    UploadStatus,
)


def lock(upload: UploadedFile) -> None:
    """Hold a file and see it is now. Locks are taken in one order: session, file, quota."""
    UserSession.objects.select_for_update().filter(pk=upload.session_id).exists()
    upload.refresh_from_db(
        fields=["status", "name"], from_queryset=UploadedFile.objects.select_for_update()
    )


def move(among: UploadQuerySet, upload: UploadedFile, **values: Any) -> bool:
    """Change a row if it is still in `among`, whoever else tries."""
    still = among.filter(pk=upload.pk).values("pk")
    moved = UploadedFile.objects.filter(pk__in=still, status=upload.status).update(**values)
    if moved:
        for name, value in values.items():
            setattr(upload, name, value)
    return bool(moved)


def mark(
    upload: UploadedFile,
    before: UploadStatus,
    after: UploadStatus,
    event: EventType,
    **details: Any,
) -> bool:
    """Move a file from one state to another, with its event; False if it is not in the first."""
    with transaction.atomic():
        moved = move(UploadedFile.objects.filter(status=before), upload, status=after)
        if moved:
            record_upload(event, upload, **details)
        return moved


def free_quota(upload: UploadedFile) -> None:
    UploadQuota.objects.filter(session=upload.session_id).update(
        files=F("files") - 1, bytes=F("bytes") - upload.size
    )


def record_upload(event: EventType, upload: UploadedFile, **details: Any) -> None:
    record(
        event,
        session_uuid=upload.session_id,
        target=f"upload:{upload.pk}",
        personal=Personal(file_name=upload.name),
        **details,
    )

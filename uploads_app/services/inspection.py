"""Inspect stored files, and put them in quarantine."""

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from uploads_app import events
from uploads_app.inspection import sandbox
from uploads_app.models import (
    Inspection,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.transition import mark, record_upload
from uploads_app.storage.base import object_store


def inspect_upload(*, upload: UploadedFile) -> bool:
    """Look inside a stored file and note what is found; False if that is known or the file is gone.

    Raises OSError if storage fails or the look cannot begin: the file then still waits for one.
    """
    if upload.content_type != sandbox.PDF:
        return record_inspection(upload=upload, verdict=Inspection.UNSUPPORTED)
    with object_store().open(upload.key) as content:
        found = sandbox.inspect_content(content)
    return record_inspection(upload=upload, verdict=found.verdict, suspicions=found.suspicions)


def record_inspection(
    *, upload: UploadedFile, verdict: Inspection, suspicions: Sequence[str] = ()
) -> bool:
    """Note what a look inside a stored file has found; False if that is known or the file is gone."""
    values = {
        "inspection": verdict,
        "suspicions": list(suspicions),
        "inspected_at": timezone.now(),
    }
    with transaction.atomic():
        if not UploadedFile.objects.uninspected().filter(pk=upload.pk).update(**values):
            return False
        record_upload(
            events.INSPECTED,
            upload,
            verdict=str(verdict),
            suspicions=", ".join(map(str, suspicions)),
        )
        return True


def quarantine_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Put a stored file out of everybody's reach; False if it is not stored any more.

    It still takes its part of the quota, and its visitor can still delete it.
    """
    return mark(
        upload, UploadStatus.STORED, UploadStatus.QUARANTINED, events.QUARANTINED, reason=reason
    )


def restore_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Give a file back from quarantine; False if it is not there any more."""
    return mark(
        upload, UploadStatus.QUARANTINED, UploadStatus.STORED, events.RESTORED, reason=reason
    )

"""Inspect stored files, and put them in quarantine."""

from collections.abc import Sequence

from django.utils import timezone

from uploads_app import events
from uploads_app.inspection import sandbox
from uploads_app.models import (
    Inspection,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.transition import change_upload
from uploads_app.storage.base import object_store

# The processor time of a file's first try. A file that needs more waits for another turn.
FIRST_TRY_SECONDS = 1


def cpu_seconds(upload: UploadedFile) -> int:
    """Return the processor time that the next try of a file may use."""
    return sandbox.CPU_SECONDS if upload.inspection_cost else FIRST_TRY_SECONDS


def inspect_upload(*, upload: UploadedFile) -> bool:
    """Inspect a stored file and record the verdict and its cost; False if there is no new verdict.

    A file that needs more than its first try waits for a second one. Raises
    OSError if the store fails or the inspection cannot start: the file then still waits.
    """
    if upload.content_type != sandbox.PDF:
        return record_inspection(upload=upload, verdict=Inspection.UNSUPPORTED)
    is_first = not upload.inspection_cost
    with object_store().open(upload.key) as content:
        found = sandbox.inspect_content(content, cpu_seconds(upload))
    cost = upload.inspection_cost + found.cost
    if is_first and found.ran_out:
        UploadedFile.objects.uninspected().filter(pk=upload.pk).update(
            inspection_cost=cost, inspection_claimed_until=None
        )
        upload.refresh_from_db()
        return False
    return record_inspection(
        upload=upload, verdict=found.verdict, suspicions=found.suspicions, cost=cost
    )


def record_inspection(
    *, upload: UploadedFile, verdict: Inspection, suspicions: Sequence[str] = (), cost: int = 0
) -> bool:
    """Record the verdict on a file; False if it has one already or is not stored any more."""
    names = ", ".join(map(str, suspicions))
    return change_upload(
        upload,
        UploadedFile.objects.uninspected(),
        event=events.INSPECTED,
        details=lambda _: {"verdict": str(verdict), "suspicions": names},
        inspection=verdict,
        suspicions=list(suspicions),
        inspected_at=timezone.now(),
        inspection_cost=cost,
        inspection_claimed_until=None,
    )


def quarantine_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Put a stored file in quarantine; False if it is not stored any more.

    Nobody can download it. It still counts against the quota, and its visitor
    can still see and delete it.
    """
    return change_upload(
        upload,
        UploadedFile.objects.filter(status=UploadStatus.STORED),
        event=events.QUARANTINED,
        details=lambda _: {"reason": reason},
        status=UploadStatus.QUARANTINED,
    )


def restore_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Release a file from quarantine; False if it is not in quarantine any more."""
    return change_upload(
        upload,
        UploadedFile.objects.filter(status=UploadStatus.QUARANTINED),
        event=events.RESTORED,
        details=lambda _: {"reason": reason},
        status=UploadStatus.STORED,
    )

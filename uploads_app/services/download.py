"""Read stored files, unless their download is blocked."""

import logging
from typing import IO

from django.conf import settings
from django.db import transaction

from uploads_app import events
from uploads_app.exceptions import (
    DownloadBlocked,
    ObjectMissing,
    StorageUnavailable,
)
from uploads_app.models import (
    Inspection,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.transition import record_upload
from uploads_app.storage.base import object_store

logger = logging.getLogger(__name__)


def refuse_blocked_download(*, upload: UploadedFile) -> None:
    """Raise FileHeldBack if nobody may have a file's bytes just now; see HOLD_DOWNLOADS."""
    waits = upload.inspection == Inspection.WAITING
    blocked = {
        "never": False,
        "until_inspected": waits,
        "unless_clean": upload.inspection != Inspection.CLEAN,
    }
    if upload.status == UploadStatus.QUARANTINED or blocked[settings.HOLD_DOWNLOADS]:
        raise DownloadBlocked(waiting=waits and upload.status == UploadStatus.STORED)


def open_upload(*, upload: UploadedFile) -> IO[bytes]:
    """Open a stored file to read; raises FileHeldBack, ObjectMissing or StorageUnavailable."""
    refuse_blocked_download(upload=upload)
    return open_bytes(upload=upload)


def open_bytes(*, upload: UploadedFile) -> IO[bytes]:
    """Open a file's bytes, held back or not; raises ObjectMissing or StorageUnavailable."""
    try:
        return object_store().open(upload.key)
    except FileNotFoundError as error:
        raise ObjectMissing from error
    except OSError as error:
        logger.exception("storage did not give %s", upload.key)
        raise StorageUnavailable from error


def record_download(*, upload: UploadedFile) -> None:
    """Write down that a service reads a file."""
    with transaction.atomic():
        record_upload(events.DOWNLOADED, upload, size=upload.size)


def record_staff_download(*, upload: UploadedFile, reason: str) -> None:
    """Write down that a staff member reads a file, and why."""
    with transaction.atomic():
        record_upload(events.STAFF_DOWNLOADED, upload, reason=reason, size=upload.size)

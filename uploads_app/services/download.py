"""Read stored files, unless their download is blocked."""

import logging
from contextlib import suppress
from typing import IO

from django.conf import settings
from django.db import transaction

from audit_app.services import HOUR_SECONDS, Entry, Personal, record_folded
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
    """Raise DownloadBlocked if a file is in quarantine or HOLD_DOWNLOADS blocks it."""
    waits = upload.inspection == Inspection.WAITING
    blocked = {
        "never": False,
        "until_inspected": waits,
        "unless_clean": upload.inspection != Inspection.CLEAN,
    }
    if upload.status == UploadStatus.QUARANTINED or blocked[settings.HOLD_DOWNLOADS]:
        raise DownloadBlocked(waiting=waits and upload.status == UploadStatus.STORED)


def open_upload(*, upload: UploadedFile) -> IO[bytes]:
    """Open a stored file; raises DownloadBlocked, ObjectMissing or StorageUnavailable."""
    refuse_blocked_download(upload=upload)
    return open_bytes(upload=upload)


def open_bytes(*, upload: UploadedFile) -> IO[bytes]:
    """Open a file even if its download is blocked; raises ObjectMissing or StorageUnavailable."""
    try:
        return object_store().open(upload.key)
    except FileNotFoundError as error:
        raise ObjectMissing from error
    except OSError as error:
        logger.warning("The store did not return %s: %s", upload.key, error)
        raise StorageUnavailable from error


def is_sent_by_proxy(*, upload: UploadedFile) -> bool:
    """Return whether the proxy sends a file (DOWNLOADS=accel); raises DownloadBlocked.

    A file that cannot be found is left to `open_upload`, which says why.
    """
    refuse_blocked_download(upload=upload)
    with suppress(OSError):
        return settings.DOWNLOADS == "accel" and object_store().has_file(upload.key)
    return False


def record_download(*, upload: UploadedFile) -> None:
    with transaction.atomic():
        record_upload(events.DOWNLOADED, upload, size=upload.size)


def record_visitors_download(*, upload: UploadedFile) -> None:
    """Record that the visitor downloaded a file: one event an hour for each, with a count."""
    target = f"upload:{upload.pk}"
    personal = Personal(file_name=upload.name)
    entry = Entry(upload.session_id, target, personal, {"size": upload.size})
    record_folded(events.DOWNLOADED, entry, kind=target, window_seconds=HOUR_SECONDS)


def record_staff_download(*, upload: UploadedFile, reason: str) -> None:
    with transaction.atomic():
        record_upload(events.STAFF_DOWNLOADED, upload, reason=reason, size=upload.size)

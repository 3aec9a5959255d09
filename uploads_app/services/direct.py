"""Direct uploads and downloads: browsers send files to the store and fetch them from it.

What a browser announces is used only to refuse files early. Its form writes to
`incoming/` alone and stays valid after `complete`, so `complete` copies the
bytes that it checked: see decision 0027.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.utils import timezone

from sessions_app.models import UserSession
from uploads_app.exceptions import (
    ContentMismatch,
    DirectUploadUnavailable,
    FileEmpty,
    FileTooLarge,
    NameNotAllowed,
    ObjectMissing,
    StorageUnavailable,
    TypeNotAllowed,
    UploadIncomplete,
)
from uploads_app.inspection.file_types import (
    FileType,
    clean_name,
    detect_type,
    named_type,
)
from uploads_app.models import VISIBLE, UploadedFile
from uploads_app.services import links
from uploads_app.services.deletion import lapse_upload, reject_upload
from uploads_app.services.download import refuse_blocked_download
from uploads_app.services.upload import (
    claim_store,
    finish_upload,
    renew_lease,
    reserve,
)
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import INCOMING, incoming_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignedForm:
    url: str
    fields: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class DirectUpload:
    """The id of a new direct upload, and the form to send its bytes with."""

    id: UUID
    upload: SignedForm


def is_offered() -> bool:
    """Say whether direct uploads are enabled and the store supports them."""
    return settings.DIRECT_UPLOADS and object_store().offers_forms


def form_origin() -> str | None:
    """Return the origin of the store's forms, None without direct uploads."""
    if not is_offered():
        return None
    try:
        form = object_store().upload_form(INCOMING, content_type="", size=0, lifetime=timedelta())
    except OSError as error:
        logger.warning("The store cannot sign forms: %s", error)
        return None
    url = urlsplit(form.url)
    return f"{url.scheme}://{url.netloc}"


def begin_direct_upload(
    *, session: UserSession, name: str, size: int, retry_key: str | None = None
) -> DirectUpload:
    """Reserve quota for one file and return the form to send it to the store with.

    With a `retry_key`, a repeated request gets a new form for the same row.
    Raises DirectUploadUnavailable, FileEmpty, FileTooLarge, NameNotAllowed, TypeNotAllowed,
    QuotaExceeded, RetryKeyReused, UploadDeleted, SessionInvalid or StorageUnavailable.
    After an error the quota is as it was before.
    """
    if not is_offered():
        raise DirectUploadUnavailable
    name = clean_name(name)
    file_type = _check_announced(session, name, size)
    claim_store()
    upload = reserve(
        session=session,
        name=name,
        file_type=file_type,
        size=size,
        retry_key=retry_key,
        direct=True,
    )
    renew_lease(upload=upload)
    return DirectUpload(upload.pk, _form(upload))


def complete_direct_upload(*, upload: UploadedFile) -> UploadedFile:
    """Check and store the bytes that a browser sent to the store, and return the row.

    A repeated call returns the stored file. Raises UploadIncomplete (nothing
    has arrived) or StorageUnavailable, after which the call can be repeated;
    SessionInvalid; ContentMismatch or TypeNotAllowed, after which the upload is
    rejected and its quota free.
    """
    if upload.status in VISIBLE:
        return upload
    claim_store()
    arrived = _open_arrived(upload)
    if arrived is None:
        upload.refresh_from_db()
        if upload.status in VISIBLE:  # another request completed it meanwhile
            return upload
        raise UploadIncomplete
    renew_lease(upload=upload)
    with arrived:
        content = File(arrived)
        try:
            _check_arrived(upload, content)
        except (ContentMismatch, TypeNotAllowed) as refusal:
            rejected = reject_upload(upload=upload, code=refusal.default_code)
            if (
                not rejected and upload.status in VISIBLE
            ):  # another request stored the bytes that arrived before
                return upload
            raise
        stored = finish_upload(upload=upload, content=content)
    with suppress(OSError):  # the cleanup deletes the rest
        object_store().delete(incoming_key(upload.key))
    return stored


def download_address(*, upload: UploadedFile) -> str | None:
    """Return a URL of the store that is valid for 60 s, None if the application streams the file.

    Raises ObjectMissing or StorageUnavailable.
    """
    refuse_blocked_download(upload=upload)
    if settings.DOWNLOADS != "redirect":
        return None
    try:
        if object_store().describe(upload.key) is None:
            raise ObjectMissing
        return object_store().download_url(
            upload.key,
            name=upload.name,
            content_type=upload.content_type,
            lifetime=links.LIFETIME,
        )
    except OSError as error:
        logger.warning("The store did not describe %s: %s", upload.key, error)
        raise StorageUnavailable from error


def _check_announced(session: UserSession, name: str, size: int) -> FileType:
    if not size:
        raise FileEmpty
    try:
        if size > settings.UPLOAD_MAX_BYTES:
            raise FileTooLarge
        return named_type(name)
    except (FileTooLarge, NameNotAllowed, TypeNotAllowed) as error:
        error.session_uuid, error.file_name = session.uuid, name
        raise


def _form(upload: UploadedFile) -> SignedForm:
    lifetime = settings.UPLOAD_LEASE * 2 / 3  # the rest of the lease is for `complete`
    expires_at = timezone.now() + lifetime
    # Before the form exists: until then its bytes count, whatever becomes of the upload.
    UploadedFile.objects.filter(pk=upload.pk).update(form_expires_at=expires_at)
    try:
        form = object_store().upload_form(
            incoming_key(upload.key),
            content_type=upload.content_type,
            size=upload.size,
            lifetime=lifetime,
        )
    except OSError as error:
        logger.warning("The store could not sign a form for %s: %s", upload.key, error)
        lapse_upload(upload=upload, reason="storage_failed")
        raise StorageUnavailable from error
    return SignedForm(form.url, form.fields, expires_at)


def _open_arrived(upload: UploadedFile) -> IO[bytes] | None:
    try:
        return object_store().open(incoming_key(upload.key))
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.warning("The store did not return the bytes of %s: %s", upload.key, error)
        raise StorageUnavailable from error


def _check_arrived(upload: UploadedFile, content: File[bytes]) -> None:
    """Compare the received bytes with the announced file; raises ContentMismatch or TypeNotAllowed."""
    if content.size != upload.size:
        raise ContentMismatch
    detect_type(upload.name, content)

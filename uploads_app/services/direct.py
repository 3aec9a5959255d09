"""Files that pass the application by: browsers send them to the store, and fetch them there.

What a browser announces is believed only as far as it can be refused for it.
Its form reaches the store's `incoming/` alone and stays good after `complete`
has looked, so what is stored is what was looked at: see decision 0027.
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
    ObjectMissing,
    StorageUnavailable,
    TypeNotAllowed,
    UploadIncomplete,
    rejection,
)
from uploads_app.inspection.file_types import (
    HEAD_BYTES,
    FileType,
    clean_name,
    detect_type,
    named_type,
)
from uploads_app.models import VISIBLE, UploadedFile
from uploads_app.services import links
from uploads_app.services.deletion import lapse_upload, reject_upload
from uploads_app.services.download import refuse_blocked_download
from uploads_app.services.upload import claim_store, finish_upload, renew_lease, reserve
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import INCOMING, incoming_key

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SignedForm:
    """A form of the store, good until `expires_at`."""

    url: str
    fields: dict[str, str]
    expires_at: datetime


@dataclass(frozen=True)
class DirectUpload:
    """A direct upload that has begun: the id of its row, and the form that takes its bytes."""

    id: UUID
    upload: SignedForm


def is_offered() -> bool:
    """Say whether browsers may send files to the store themselves."""
    return settings.DIRECT_UPLOADS and object_store().offers_forms


def form_origin() -> str | None:
    """Return the origin that forms are posted to, None where none are offered."""
    if not is_offered():
        return None
    try:
        form = object_store().upload_form(INCOMING, content_type="", size=0, lifetime=timedelta())
    except OSError:
        logger.exception("storage cannot sign forms")
        return None
    url = urlsplit(form.url)
    return f"{url.scheme}://{url.netloc}"


def begin_direct_upload(
    *, session: UserSession, name: str, size: int, retry_key: str | None = None
) -> DirectUpload:
    """Reserve room for one file and return the form by which a browser sends it to the store.

    With a `retry_key`, a repeated request gets a new form for the same row.
    Raises DirectUploadUnavailable, FileEmpty, FileTooLarge, TypeNotAllowed,
    QuotaExceeded, RetryKeyReused, SessionInvalid or StorageUnavailable; after
    each of them the session holds what it held before.
    """
    if not is_offered():
        raise DirectUploadUnavailable
    name = clean_name(name)
    file_type = _judge_claim(session, name, size)
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
    """Store what a browser has sent to the store, if it is what was announced, and return the row.

    Repeating it returns the stored file. Raises UploadIncomplete (nothing has
    arrived), SessionInvalid or StorageUnavailable, after which it can be tried
    again but for SessionInvalid; ContentMismatch or TypeNotAllowed, after which
    the file is rejected and its room free.
    """
    if upload.status in VISIBLE:
        return upload
    arrived = _open_arrived(upload)
    if arrived is None:
        upload.refresh_from_db()
        if upload.status in VISIBLE:  # completed by another request meanwhile
            return upload
        raise UploadIncomplete
    renew_lease(upload=upload)
    with arrived:
        content = File(arrived)
        try:
            _judge(upload, content)
        except (ContentMismatch, TypeNotAllowed) as refusal:
            rejected = reject_upload(upload=upload, code=refusal.default_code)
            if not rejected and upload.status in VISIBLE:  # by bytes that were there before
                return upload
            raise
        stored = finish_upload(upload=upload, content=content)
    with suppress(OSError):  # the cleanup removes what stays
        object_store().delete(incoming_key(upload.key))
    return stored


def download_address(*, upload: UploadedFile) -> str | None:
    """Return where a browser can fetch a file for 60 s, None if it is streamed from here.

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
        logger.exception("storage did not tell of %s", upload.key)
        raise StorageUnavailable from error


def _judge_claim(session: UserSession, name: str, size: int) -> FileType:
    if not size:
        raise FileEmpty
    try:
        if size > settings.UPLOAD_MAX_BYTES:
            raise FileTooLarge
        return named_type(name)
    except (FileTooLarge, TypeNotAllowed) as error:
        error.refusal = rejection(error, session, name)
        raise


def _form(upload: UploadedFile) -> SignedForm:
    lifetime = settings.UPLOAD_LEASE * 2 / 3  # the rest of the lease is for completing it
    expires_at = timezone.now() + lifetime
    try:
        form = object_store().upload_form(
            incoming_key(upload.key),
            content_type=upload.content_type,
            size=upload.size,
            lifetime=lifetime,
        )
    except OSError as error:
        logger.exception("no form could be signed for %s", upload.key)
        lapse_upload(upload=upload, reason="storage_failed")
        raise StorageUnavailable from error
    return SignedForm(form.url, form.fields, expires_at)


def _open_arrived(upload: UploadedFile) -> IO[bytes] | None:
    try:
        return object_store().open(incoming_key(upload.key))
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.exception("storage did not give what arrived for %s", upload.key)
        raise StorageUnavailable from error


def _judge(upload: UploadedFile, content: File[bytes]) -> None:
    """Compare what arrived with what was announced; raises ContentMismatch or TypeNotAllowed."""
    if content.size != upload.size:
        raise ContentMismatch
    detect_type(upload.name, content.read(HEAD_BYTES))
    content.seek(0)

"""Store a file: reserve its row, write its bytes, then mark the row as stored.

The order makes the cleanup safe: the row comes before the bytes, and the reply
comes after the row says `stored`. Each step is one transaction with its audit event.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.exceptions import SessionInvalid
from sessions_app.models import UserSession
from sessions_app.services import mark_session_used
from uploads_app import events, marker
from uploads_app.exceptions import (
    FileEmpty,
    QuotaExceeded,
    RetryKeyReused,
    StorageUnavailable,
    TypeNotAllowed,
    UploadInProgress,
    rejection,
)
from uploads_app.inspection.file_types import (
    HEAD_BYTES,
    FileType,
    clean_name,
    detect_type,
)
from uploads_app.models import TAKEOVER_AFTER, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.deletion import give_up_upload, lapse_upload
from uploads_app.services.transition import change_upload, record_upload
from uploads_app.storage.base import StoredBytes, object_store
from uploads_app.storage.keys import object_key

logger = logging.getLogger(__name__)


def store_upload(
    *, session: UserSession, content: File[bytes], name: str, retry_key: str | None = None
) -> UploadedFile:
    """Store one whole file for a session and return its row, which then says `stored`.

    With a `retry_key`, a repeated request returns the row of the first, and
    after a crash finishes what that began; UploadInProgress while it is still
    running, RetryKeyReused if it sent another file. Raises FileEmpty,
    TypeNotAllowed, QuotaExceeded, SessionInvalid (the session ended meanwhile)
    or StorageUnavailable; after each of them the session holds what it held
    before.
    """
    name = clean_name(name)
    file_type = _judge(session, content, name)
    claim_store()
    upload = reserve(
        session=session,
        name=name,
        file_type=file_type,
        size=content.size,
        sha256=_hash(content) if retry_key else "",
        retry_key=retry_key,
    )
    if upload.status != UploadStatus.PENDING:
        return upload
    return finish_upload(upload=upload, content=content)


def claim_store() -> None:
    """Mark an empty store as this database's; raises StorageUnavailable if it does not answer."""
    try:
        marker.claim_store()
    except marker.MarkerDiffers as error:  # the cleanup's business: no reason to refuse a file
        logger.error("the store is not ours to clean: %s", error)
    except OSError as error:
        logger.exception("storage does not answer")
        raise StorageUnavailable from error


def reserve(
    *,
    session: UserSession,
    name: str,
    file_type: FileType,
    size: int,
    sha256: str = "",
    retry_key: str | None = None,
    direct: bool = False,
    restored_from: UploadedFile | None = None,
) -> UploadedFile:
    """Step 1: quota, and a pending row with its final key and a lease; or the row of the same try.

    A `direct` upload is one whose bytes the browser sends to the store itself;
    one that is `restored_from` another is its copy, and the only one.
    Raises SessionInvalid, QuotaExceeded, RetryKeyReused, UploadInProgress, or
    IntegrityError if there is such a copy.
    """
    upload_id = uuid.uuid4()
    upload_request = UploadedFile(
        id=upload_id,
        session=session,
        key=object_key(session.uuid, upload_id, file_type.extension),
        name=name,
        size=size,
        content_type=file_type.content_type,
        sha256=sha256,
        retry_key=retry_key,
        direct=direct,
        restored_from=restored_from,
        lease_expires_at=Now() + settings.UPLOAD_LEASE,
    )
    with transaction.atomic():
        _require_live(session)
        if retry_key and (upload := _earlier(upload_request)):
            return upload
        UploadQuota.objects.get_or_create(session=session)
        admitted = UploadQuota.objects.filter(
            session=session,
            files__lt=settings.UPLOAD_MAX_FILES,
            bytes__lte=settings.UPLOAD_MAX_TOTAL_BYTES - size,
        ).update(files=F("files") + 1, bytes=F("bytes") + size)
        if not admitted:
            raise QuotaExceeded(session, name)
        upload_request.save(force_insert=True)
        if direct:
            record_upload(events.STARTED, upload_request, size=size)
    return upload_request


def finish_upload(
    *, upload: UploadedFile, content: File[bytes], also: Callable[[], None] = lambda: None
) -> UploadedFile:
    """Steps 2 and 3 of a pending upload: its bytes to their final key, then `stored`.

    `also` is called in the transaction of step 3, for what is to happen with it.
    Raises SessionInvalid or StorageUnavailable, and gives the upload up; but one whose bytes the
    store has already is kept when storage fails, so that completing it can be tried again.
    """
    try:
        written = _write(upload, content)
    except OSError as error:
        logger.exception("storage did not take %s", upload.key)
        if not upload.direct:
            lapse_upload(upload=upload, reason="storage_failed")
        raise StorageUnavailable from error
    try:
        return _commit(upload, written, also)
    except (SessionInvalid, StorageUnavailable):
        give_up_upload(upload=upload, reason="too_late")
        raise


def renew_lease(*, upload: UploadedFile) -> None:
    """Say that somebody is still at work on a pending upload."""
    UploadedFile.objects.pending().filter(pk=upload.pk).update(
        lease_expires_at=Now() + settings.UPLOAD_LEASE
    )


def read_back(key: str) -> StoredBytes:
    """Return what lies under a key; raises OSError."""
    digest, size = hashlib.sha256(), 0
    with object_store().open(key) as content:
        while chunk := content.read(File.DEFAULT_CHUNK_SIZE):
            digest.update(chunk)
            size += len(chunk)
    return StoredBytes(size, digest.hexdigest())


def _judge(session: UserSession, content: File[bytes], name: str) -> FileType:
    if not content.size:
        raise FileEmpty
    head = content.read(HEAD_BYTES)
    content.seek(0)
    try:
        return detect_type(name, head)
    except TypeNotAllowed as error:
        error.refusal = rejection(error, session, name)
        raise


def _earlier(upload_request: UploadedFile) -> UploadedFile | None:
    """Return the upload that an earlier try began: finished, or taken over from a dead writer."""
    upload = UploadedFile.objects.filter(
        session=upload_request.session, retry_key=upload_request.retry_key
    ).first()
    if upload is None:
        return None
    if not _is_same_file(upload, upload_request):
        raise RetryKeyReused
    if upload.status == UploadStatus.PENDING and not upload_request.direct:
        abandoned = UploadedFile.objects.abandoned().filter(pk=upload.pk)
        if not abandoned.update(lease_expires_at=Now() + settings.UPLOAD_LEASE):
            raise UploadInProgress
    return upload


def _is_same_file(upload: UploadedFile, upload_request: UploadedFile) -> bool:
    """Say whether two tries are about one file; of a direct one nobody knows the hash yet."""
    if upload_request.direct:
        return upload.direct and (upload.name, upload.size) == (
            upload_request.name,
            upload_request.size,
        )
    return (upload.name, upload.sha256) == (upload_request.name, upload_request.sha256)


def _write(upload: UploadedFile, content: File[bytes]) -> StoredBytes:
    """Step 2: the bytes under their final key, by this try or by an earlier one of the same.

    A put whose answer was lost finds its own bytes when it is repeated.
    """
    try:
        return object_store().put(upload.key, _leased(upload, content))
    except FileExistsError:
        written = read_back(upload.key)
        content.seek(0)
        if written.sha256 != (upload.sha256 or _hash(content)):
            raise
        return written


def _leased(upload: UploadedFile, content: File[bytes]) -> Iterator[bytes]:
    """Hand the bytes on, renewing the lease while they flow."""
    renew_after = min(settings.UPLOAD_LEASE, TAKEOVER_AFTER).total_seconds() / 3
    renewed = time.monotonic()
    for chunk in content.chunks():
        if time.monotonic() - renewed > renew_after:
            renew_lease(upload=upload)
            renewed = time.monotonic()
        yield chunk


def _commit(upload: UploadedFile, written: StoredBytes, also: Callable[[], None]) -> UploadedFile:
    """Step 3: mark the row as stored, with its event; only then may anybody get a reply."""
    with transaction.atomic():
        _require_live(upload.session)
        stored = change_upload(
            upload,
            UploadedFile.objects.pending(),
            event=events.STORED,
            details=lambda row: {
                "size": written.size,
                "sha256": written.sha256,
                "content_type": row.content_type,
            },
            status=UploadStatus.STORED,
            sha256=written.sha256,
            stored_at=timezone.now(),
        )
        if stored:
            mark_session_used(session=upload.session)
            also()
        elif upload.status != UploadStatus.STORED:  # else another try of this request was faster
            raise StorageUnavailable
    return upload


def _hash(content: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _require_live(session: UserSession) -> None:
    """Hold the session's row and make sure that it is still live."""
    if not UserSession.objects.live().select_for_update().filter(pk=session.pk).exists():
        raise SessionInvalid(UserSession.objects.get(pk=session.pk))

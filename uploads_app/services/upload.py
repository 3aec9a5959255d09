"""Store a file: reserve its row, write its bytes, then mark the row as stored.

The order makes the cleanup safe: the row comes before the bytes, and the reply
comes after the row says `stored`. Each step is one transaction with its audit event.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models.functions import Now

from common import context
from common.statements import Argument, CompiledInsert, CompiledSelect, writing
from sessions_app.exceptions import SessionInvalid
from sessions_app.models import SessionQuerySet, UserSession
from sessions_app.services.sessions import mark_session_used, session_invalid
from uploads_app import events, marker
from uploads_app.exceptions import (
    FileEmpty,
    NameNotAllowed,
    QuotaExceeded,
    RetryKeyReused,
    StorageUnavailable,
    TypeNotAllowed,
    UploadDeleted,
    UploadInProgress,
)
from uploads_app.inspection.file_types import (
    FileType,
    clean_name,
    detect_type,
)
from uploads_app.models import TAKEOVER_AFTER, UploadedFile, UploadStatus
from uploads_app.services.deletion import give_up_upload, lapse_upload
from uploads_app.services.quota import free_expired_forms, use_quota
from uploads_app.services.transition import mark_stored, record_upload
from uploads_app.storage.base import StoredBytes, object_store
from uploads_app.storage.keys import object_key
from uploads_app.storage.spool import SpooledFile

logger = logging.getLogger(__name__)


def store_upload(
    *, session: UserSession, content: SpooledFile, name: str, retry_key: str | None = None
) -> UploadedFile:
    """Store one complete file for a session and return its row with the status `stored`.

    With a `retry_key`, a repeated request returns the row of the first one, and
    after a crash completes its upload. Raises UploadInProgress while the first one
    runs, RetryKeyReused if it sent another file and UploadDeleted if its file was
    deleted; FileEmpty, NameNotAllowed, TypeNotAllowed, QuotaExceeded, SessionInvalid
    (the session ended meanwhile) or StorageUnavailable. After an error the quota is
    as it was before.
    """
    name = clean_name(name)
    file_type = _check_type(session, content, name)
    claim_store()
    upload = reserve(
        session=session,
        name=name,
        file_type=file_type,
        size=content.size,
        sha256=content.sha256 if retry_key else "",
        retry_key=retry_key,
    )
    if upload.status != UploadStatus.PENDING:
        return upload
    return finish_upload(upload=upload, content=content)


def claim_store() -> None:
    """Write the marker into an empty store.

    Raises StorageUnavailable if the store fails or is another database's, whose
    cleanup would remove our files.
    """
    try:
        if not marker.is_own_store():
            marker.claim_store()
            marker.require_own_store()
    except OSError as error:
        logger.warning("The store cannot be used: %s", error)
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
    """Step 1: use some of the quota and create a pending row with its final key and a lease.

    Returns the row of an earlier request with the same `retry_key` instead, if
    there is one. The browser sends the bytes of a `direct` upload to the store
    itself. An upload that is `restored_from` another is its only copy. Raises
    SessionInvalid, QuotaExceeded, RetryKeyReused, UploadDeleted, UploadInProgress,
    or IntegrityError if there is a copy already.
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
        network=restored_from.network if restored_from else context.current().network,
    )
    try:
        return _reserve(upload_request)
    except QuotaExceeded:
        if not free_expired_forms(session=session):
            raise
        return _reserve(upload_request)


def finish_upload(
    *, upload: UploadedFile, content: File[bytes], also: Callable[[], None] = lambda: None
) -> UploadedFile:
    """Steps 2 and 3 of a pending upload: write its bytes to their final key, then mark it as stored.

    `also` is called in the transaction of step 3. Raises SessionInvalid or
    StorageUnavailable after giving the upload up. A direct upload is not given
    up when the store fails, because its bytes arrived and `complete` can be repeated.
    """
    try:
        written, is_own_object = _write(upload, content)
    except OSError as error:
        logger.warning("The store did not accept %s: %s", upload.key, error)
        if not upload.direct:
            lapse_upload(upload=upload, reason="storage_failed")
        raise StorageUnavailable from error
    try:
        return _commit(upload, written, also)
    except (SessionInvalid, StorageUnavailable):
        give_up_upload(upload=upload, reason="too_late", is_own_object=is_own_object)
        raise


def renew_lease(*, upload: UploadedFile) -> None:
    UploadedFile.objects.pending().filter(pk=upload.pk).update(
        lease_expires_at=Now() + settings.UPLOAD_LEASE
    )


def read_back(key: str) -> StoredBytes:
    """Return the size and hash of an object; raises OSError."""
    digest, size = hashlib.sha256(), 0
    with object_store().open(key) as content:
        while chunk := content.read(File.DEFAULT_CHUNK_SIZE):
            digest.update(chunk)
            size += len(chunk)
    return StoredBytes(size, digest.hexdigest())


def _check_type(session: UserSession, content: SpooledFile, name: str) -> FileType:
    if not content.size:
        raise FileEmpty
    try:
        return detect_type(name, content)
    except (NameNotAllowed, TypeNotAllowed) as error:
        error.session_uuid, error.file_name = session.uuid, name
        raise


def _reserve(upload_request: UploadedFile) -> UploadedFile:
    with transaction.atomic():
        now = _lock_live(upload_request.session)
        if upload_request.retry_key and (upload := _earlier(upload_request)):
            return upload
        use_quota(upload_request=upload_request)
        upload_request.lease_expires_at = now + settings.UPLOAD_LEASE
        with writing() as cursor:
            _UPLOADS.insert([upload_request], cursor)
        if upload_request.direct:
            record_upload(events.STARTED, upload_request, size=upload_request.size)
    return upload_request


def _earlier(upload_request: UploadedFile) -> UploadedFile | None:
    """Return the upload of an earlier request, if it finished or its writer is dead."""
    upload = UploadedFile.objects.filter(
        session=upload_request.session, retry_key=upload_request.retry_key
    ).first()
    if upload is None:
        return None
    if not _is_same_file(upload, upload_request):
        raise RetryKeyReused
    if upload.status in (UploadStatus.DELETING, UploadStatus.DELETED):
        raise UploadDeleted
    if upload.status == UploadStatus.PENDING and not upload_request.direct:
        abandoned = UploadedFile.objects.abandoned().filter(pk=upload.pk)
        if not abandoned.update(lease_expires_at=Now() + settings.UPLOAD_LEASE):
            raise UploadInProgress
    return upload


def _is_same_file(upload: UploadedFile, upload_request: UploadedFile) -> bool:
    """Say whether two requests send the same file. The hash of a direct upload is not known yet."""
    if upload_request.direct:
        return upload.direct and (upload.name, upload.size) == (
            upload_request.name,
            upload_request.size,
        )
    return (upload.name, upload.sha256) == (upload_request.name, upload_request.sha256)


def _write(upload: UploadedFile, content: File[bytes]) -> tuple[StoredBytes, bool]:
    """Step 2: write the bytes to their final key; return also whether this call wrote them.

    If an earlier request wrote the same bytes, its object is used: the store's
    response to it may have been lost.
    """
    spooled = content if isinstance(content, SpooledFile) else None
    try:
        return object_store().put(upload.key, _leased(upload, content), spooled), True
    except FileExistsError:
        written = read_back(upload.key)
        if written.sha256 != (upload.sha256 or _sha256(content)):
            raise
        return written, False


def _leased(upload: UploadedFile, content: File[bytes]) -> Iterator[bytes]:
    """Yield the bytes, and renew the lease meanwhile."""
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
        _lock_live(upload.session)
        if mark_stored(upload, written):
            mark_session_used(session=upload.session)
            also()
        elif upload.status != UploadStatus.STORED:  # else another try of this request was faster
            raise StorageUnavailable
    return upload


def _sha256(content: File[bytes]) -> str:
    """Return the hash of a file. One in the spool is not read again."""
    if isinstance(content, SpooledFile):
        return content.sha256
    content.seek(0)
    return hashlib.file_digest(content, "sha256").hexdigest()


def _lock_live(session: UserSession) -> datetime:
    """Lock the session and return the time; raise SessionInvalid if it is not live."""
    locked = _LIVE.first(session=session.pk)
    if locked is None:
        raise session_invalid(UserSession.objects.get(pk=session.pk))
    now: datetime = vars(locked)["read_at"]
    return now


def _live() -> SessionQuerySet:
    live = UserSession.objects.live().select_for_update()
    proven = live.filter(pk=Argument("session", UserSession._meta.pk))
    return proven.only("pk").annotate(read_at=Now()).order_by()


_LIVE = CompiledSelect(_live)
_UPLOADS = CompiledInsert(UploadedFile)

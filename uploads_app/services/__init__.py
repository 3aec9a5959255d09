"""Every change to a file: the upload protocol, deletion, and what the cleanup may do to a row.

The order of the steps is what makes the cleanup safe: the row comes before
the bytes, the reply after the row says `stored`, and a row stops being live
before its object goes. Each step is one transaction with its audit event.
"""

import hashlib
import logging
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.events import EventType
from audit_app.services import Personal, record
from sessions_app.exceptions import SessionInvalid
from sessions_app.models import UserSession
from sessions_app.services.sessions import mark_session_used, session_invalid
from uploads_app import events, marker
from uploads_app.exceptions import (
    DownloadBlocked,
    FileEmpty,
    ObjectMissing,
    QuotaExceeded,
    RetryKeyReused,
    StorageUnavailable,
    TypeNotAllowed,
    UploadInProgress,
)
from uploads_app.inspection import sandbox
from uploads_app.inspection.file_types import (
    HEAD_BYTES,
    KNOWN_TYPES,
    FileType,
    clean_name,
    detect_type,
)
from uploads_app.models import (
    TAKEOVER_AFTER,
    VISIBLE,
    WITH_OBJECT,
    ErasureNote,
    Inspection,
    UploadedFile,
    UploadQuerySet,
    UploadQuota,
    UploadStatus,
    object_key,
    object_keys,
)
from uploads_app.storage.base import StoredBytes, StoredObject, erased_key, object_store

logger = logging.getLogger(__name__)

NOTES_AT_ONCE = 1000


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
            raise QuotaExceeded(session.uuid, name)
        upload_request.save(force_insert=True)
        if direct:
            _record(events.STARTED, upload_request, size=size)
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


def give_up_upload(*, upload: UploadedFile, reason: str) -> None:
    """Let an upload that cannot be finished lapse, and remove what has arrived of it."""
    lapse_upload(upload=upload, reason=reason)
    if upload.status not in WITH_OBJECT:
        with suppress(OSError):  # the cleanup removes what stays
            remove_bytes(upload)


def renew_lease(*, upload: UploadedFile) -> None:
    """Say that somebody is still at work on a pending upload."""
    UploadedFile.objects.filter(pk=upload.pk, status=UploadStatus.PENDING).update(
        lease_expires_at=Now() + settings.UPLOAD_LEASE
    )


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
        _record(events.DOWNLOADED, upload, size=upload.size)


def record_staff_download(*, upload: UploadedFile, reason: str) -> None:
    """Write down that a staff member reads a file, and why."""
    with transaction.atomic():
        _record(events.STAFF_DOWNLOADED, upload, reason=reason, size=upload.size)


def record_restored(*, upload: UploadedFile, copy: UploadedFile, reason: str) -> None:
    """Write down, in both histories, that a file was given to another session as `copy`.

    Must be called in the transaction that stores the copy.
    """
    source = {"from_session": str(upload.session_id), "from_upload": str(upload.pk)}
    target = {"to_session": str(copy.session_id), "to_upload": str(copy.pk)}
    _record(events.RESTORED, upload, reason=reason, **target)
    _record(events.RESTORED, copy, reason=reason, **source)


def delete_upload(*, upload: UploadedFile) -> None:
    """Delete a file for its visitor: at once from the session, its bytes as soon as storage obeys.

    If storage fails the row stays `deleting`, and the next cleanup finishes it. A direct upload
    that has not been completed is given up.
    """
    if upload.status == UploadStatus.PENDING:
        if lapse_upload(upload=upload, reason="visitor"):
            with suppress(OSError):
                _remove_leftovers(upload)
            return
        upload.refresh_from_db()
    visible = UploadedFile.objects.filter(status__in=VISIBLE)
    if begin_deletion(upload=upload, among=visible, reason="visitor"):
        try:
            finish_deletion(upload=upload)
        except OSError:
            logger.exception("storage did not delete %s; the cleanup will", upload.key)


def begin_deletion(*, upload: UploadedFile, among: UploadQuerySet, reason: str) -> bool:
    """Take a file from its session and free its quota; False if it is not in `among` any more."""
    with transaction.atomic():
        _lock(upload)
        if not _move(among, upload, status=UploadStatus.DELETING, delete_reason=reason):
            return False
        _free_quota(upload)
        return True


def finish_deletion(*, upload: UploadedFile) -> bool:
    """Remove the object of a `deleting` file and close its row; False if somebody else did.

    Raises OSError if storage fails; the row stays `deleting`.
    """
    remove_bytes(upload)
    with transaction.atomic():
        moved = _move(
            UploadedFile.objects.deleting(),
            upload,
            status=UploadStatus.DELETED,
            deleted_at=timezone.now(),
        )
        if moved:
            _record(
                events.DELETED,
                upload,
                reason=upload.delete_reason,
                size=upload.size,
                sha256=upload.sha256,
            )
        return moved


def lapse_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Give up an upload that did not finish and free its quota; False if it did finish."""
    pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
    among = UploadedFile.objects.lapsed() if reason == "lease" else pending
    with transaction.atomic():
        _lock(upload)
        if not _move(among, upload, status=UploadStatus.LAPSED, retry_key=None):
            return False
        _free_quota(upload)
        _record(events.LAPSED, upload, reason=reason)
        return True


def reject_upload(*, upload: UploadedFile, code: str) -> bool:
    """Refuse what has arrived of a pending upload and free its quota; False if it is not pending."""
    with transaction.atomic():
        _lock(upload)
        pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
        if not _move(pending, upload, status=UploadStatus.REJECTED, retry_key=None):
            return False
        _free_quota(upload)
        _record(events.REJECTED, upload, code=code)
    with suppress(OSError):  # the cleanup removes what stays
        _remove_leftovers(upload)
    return True


def begin_erasure(*, session: UserSession) -> None:
    """Take every file from a session that is being erased, and forget the names of all it ever had.

    Must be called in the transaction that closes the session.
    """
    files = UploadedFile.objects.filter(session=session)
    files.update(name="", retry_key=None)
    for upload in files.filter(status__in=VISIBLE):
        begin_deletion(upload=upload, among=files.filter(status__in=VISIBLE), reason="erased")
    for upload in files.filter(status=UploadStatus.PENDING):
        lapse_upload(upload=upload, reason="erased")
    ErasureNote.objects.get_or_create(session_uuid=session.uuid)


def finish_erasure(*, session: UserSession) -> None:
    """Remove the bytes of an erased session's files; what cannot go yet is left to the next call.

    That is what storage does not give up, and what a writer may still be
    writing: an upload that was under way, until its lease is over.
    """
    under_way = Q(status=UploadStatus.LAPSED, lease_expires_at__gt=Now())
    try:
        for upload in UploadedFile.objects.unerased().filter(session=session).exclude(under_way):
            if upload.status == UploadStatus.DELETING:
                finish_deletion(upload=upload)
            else:
                _remove_leftovers(upload)
        note_erasures(session=session)
    except OSError:  # at the first failure: a store that hangs would hold up every file in turn
        logger.exception("storage did not erase session %s; the sweep will", session.uuid)


def note_erasures(*, session: UserSession | None = None) -> None:
    """Note in the store which sessions were erased, so that a restored backup cannot undo it.

    Raises OSError if storage fails; the next call goes on.
    """
    notes = ErasureNote.objects.filter(recorded_at=None)
    if session is not None:
        notes = notes.filter(session_uuid=session.uuid)
    for note in notes[:NOTES_AT_ONCE]:
        with suppress(FileExistsError):
            object_store().put(erased_key(note.session_uuid), [])
        ErasureNote.objects.filter(pk=note.pk).update(recorded_at=timezone.now())


def finish_pending(*, upload: UploadedFile) -> bool:
    """Take an upload whose object is whole for stored, after a restore; False if it is not pending."""
    written = _read_back(upload.key)
    with transaction.atomic():
        _lock(upload)
        pending = UploadedFile.objects.filter(status=UploadStatus.PENDING)
        values = {"sha256": written.sha256, "stored_at": timezone.now()}
        if not _move(pending, upload, status=UploadStatus.STORED, **values):
            return False
        _record(events.RESTORED, upload, reason="adopted")
        return True


def recover_upload(*, session: UserSession, stored: StoredObject) -> bool:
    """Make the row of an object that a restored database does not know; False if there is one.

    Its name is lost, and no quota stands in its way: it had passed that before.
    """
    upload_id, _, extension = stored.key.rpartition("/")[2].partition(".")
    written = _read_back(stored.key)
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
            UploadQuota.objects.filter(session=session).update(
                files=F("files") + 1, bytes=F("bytes") + upload.size
            )
            _record(events.RESTORED, upload, reason="adopted")
        return is_new


def _read_back(key: str) -> StoredBytes:
    """Return what lies under a key; raises OSError."""
    digest, size = hashlib.sha256(), 0
    with object_store().open(key) as content:
        while chunk := content.read(File.DEFAULT_CHUNK_SIZE):
            digest.update(chunk)
            size += len(chunk)
    return StoredBytes(size, digest.hexdigest())


def remove_bytes(upload: UploadedFile) -> None:
    """Remove what the store may have of a closed file; raises OSError if storage fails."""
    for key in object_keys(upload):
        object_store().delete(key)


def mark_missing(*, upload: UploadedFile) -> bool:
    """Note that a stored file's object is gone."""
    return _mark(
        upload, UploadStatus.STORED, UploadStatus.MISSING, events.MISSING, **_bytes(upload)
    )


def mark_found(*, upload: UploadedFile) -> bool:
    """Note that a missing file's object is back."""
    return _mark(upload, UploadStatus.MISSING, UploadStatus.STORED, events.FOUND, **_bytes(upload))


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
        _record(
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
    return _mark(
        upload, UploadStatus.STORED, UploadStatus.QUARANTINED, events.QUARANTINED, reason=reason
    )


def restore_upload(*, upload: UploadedFile, reason: str) -> bool:
    """Give a file back from quarantine; False if it is not there any more."""
    return _mark(
        upload, UploadStatus.QUARANTINED, UploadStatus.STORED, events.RESTORED, reason=reason
    )


def _remove_leftovers(upload: UploadedFile) -> None:
    """Make sure that an upload that came to nothing has left no object."""
    remove_bytes(upload)
    UploadedFile.objects.filter(pk=upload.pk).update(deleted_at=timezone.now())


def _judge(session: UserSession, content: File[bytes], name: str) -> FileType:
    if not content.size:
        raise FileEmpty
    head = content.read(HEAD_BYTES)
    content.seek(0)
    try:
        return detect_type(name, head)
    except TypeNotAllowed as error:
        error.session_uuid, error.file_name = session.uuid, name
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
        written = _read_back(upload.key)
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
    """Step 3: the row says `stored`, with its event; only then may anybody be told."""
    with transaction.atomic():
        _require_live(upload.session)
        stored = _move(
            UploadedFile.objects.filter(status=UploadStatus.PENDING),
            upload,
            status=UploadStatus.STORED,
            sha256=written.sha256,
            stored_at=timezone.now(),
        )
        if not stored:
            upload.refresh_from_db()
            if upload.status == UploadStatus.STORED:  # another try of the same request was quicker
                return upload
            raise StorageUnavailable
        mark_session_used(session=upload.session)
        _record(
            events.STORED,
            upload,
            size=written.size,
            sha256=written.sha256,
            content_type=upload.content_type,
        )
        also()
    return upload


def _hash(content: File[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in content.chunks():
        digest.update(chunk)
    return digest.hexdigest()


def _mark(
    upload: UploadedFile,
    before: UploadStatus,
    after: UploadStatus,
    event: EventType,
    **details: Any,
) -> bool:
    """Move a file from one state to another, with its event; False if it is not in the first."""
    with transaction.atomic():
        moved = _move(UploadedFile.objects.filter(status=before), upload, status=after)
        if moved:
            _record(event, upload, **details)
        return moved


def _bytes(upload: UploadedFile) -> dict[str, Any]:
    return {"size": upload.size, "sha256": upload.sha256}


def _move(among: UploadQuerySet, upload: UploadedFile, **values: Any) -> bool:
    """Change a row if it is still in `among`, whoever else tries."""
    still = among.filter(pk=upload.pk).values("pk")
    moved = UploadedFile.objects.filter(pk__in=still, status=upload.status).update(**values)
    if moved:
        for name, value in values.items():
            setattr(upload, name, value)
    return bool(moved)


def _require_live(session: UserSession) -> None:
    """Hold the session's row and make sure that it is still live."""
    if not UserSession.objects.live().select_for_update().filter(pk=session.pk).exists():
        raise session_invalid(UserSession.objects.get(pk=session.pk))


def _lock(upload: UploadedFile) -> None:
    """Hold a file and see it is now. Locks are taken in one order: session, file, quota."""
    UserSession.objects.select_for_update().filter(pk=upload.session_id).exists()
    upload.refresh_from_db(
        fields=["status", "name"], from_queryset=UploadedFile.objects.select_for_update()
    )


def _free_quota(upload: UploadedFile) -> None:
    UploadQuota.objects.filter(session=upload.session_id).update(
        files=F("files") - 1, bytes=F("bytes") - upload.size
    )


def _record(event: EventType, upload: UploadedFile, **details: Any) -> None:
    record(
        event,
        session_uuid=upload.session_id,
        target=f"upload:{upload.pk}",
        personal=Personal(file_name=upload.name),
        **details,
    )

"""Transfer a file of an ended session to the visitor's current session.

The copy takes the steps of an upload: it has its own key and lease, and counts
against the quota. The original stays until its retention is over.
"""

import hashlib
from collections.abc import Iterator
from enum import Enum
from functools import partial

from django.conf import settings
from django.core.files import File
from django.db import IntegrityError
from django.template.defaultfilters import filesizeformat

from sessions_app.exceptions import SessionInvalid
from sessions_app.models import UserSession, is_same_address
from uploads_app import events
from uploads_app.exceptions import ObjectMissing, QuotaExceeded
from uploads_app.inspection.file_types import FileType
from uploads_app.models import IN_QUOTA, UploadedFile, UploadStatus
from uploads_app.services.deletion import give_up_upload
from uploads_app.services.download import open_bytes
from uploads_app.services.transition import record_upload
from uploads_app.services.upload import claim_store, finish_upload, reserve

# With more sessions in a row than this, staff enter the support code of the current one.
LONGEST_CHAIN = 100


class NotTransferred(Exception):
    """A file was not transferred; the message says why."""


class SessionRelation(Enum):
    """The evidence that two sessions belong to the same visitor."""

    FOLLOWS = "follows"
    SAME_PERSON = "same person"
    CLAIMED = "claimed"
    NONE = "none"

    @property
    def is_proof(self) -> bool:
        return self in (SessionRelation.FOLLOWS, SessionRelation.SAME_PERSON)


def live_follower(*, session: UserSession) -> UserSession | None:
    """Return the live session that followed this one, directly or through others."""
    last = session
    for _ in range(LONGEST_CHAIN):
        follower = UserSession.objects.filter(predecessor=last).first()
        if follower is None:
            break
        last = follower
    return UserSession.objects.live().exclude(pk=session.pk).filter(pk=last.pk).first()


def relation(*, session: UserSession, other: UserSession) -> SessionRelation:
    """Return the evidence that links a session to another, live one."""
    if live_follower(session=session) == other:
        return SessionRelation.FOLLOWS
    if not is_same_address(session.email, other.email):
        return SessionRelation.NONE
    proven = session.email_proven and other.email_proven
    return SessionRelation.SAME_PERSON if proven else SessionRelation.CLAIMED


def live_copy(*, upload: UploadedFile) -> UploadedFile | None:
    """Return the copy of a file that still counts against a quota."""
    copies = UploadedFile.objects.filter(restored_from=upload, status__in=IN_QUOTA)
    return copies.select_related("session").first()


def transfer_upload(*, upload: UploadedFile, session: UserSession, reason: str) -> UploadedFile:
    """Copy a stored file into another, live session and return the row of the copy.

    The bytes must have the SHA-256 of the row; the copy gets the verdict of the
    inspection. Raises NotTransferred or StorageUnavailable, and then nothing changed.
    """
    _refuse_unfit(upload, session)
    claim_store()
    try:
        content = open_bytes(upload=upload)
    except ObjectMissing as error:
        raise NotTransferred(
            "The object of this file is missing, so it cannot be transferred. Open “Explain” for details."
        ) from error
    with content:
        copy = _reserve(upload, session)
        return _fill(copy, upload, content=_Unchanged(File(content), upload.sha256), reason=reason)


def _refuse_unfit(upload: UploadedFile, session: UserSession) -> None:
    if upload.status == UploadStatus.QUARANTINED:
        raise NotTransferred("This file is in quarantine and cannot be transferred.")
    if upload.status != UploadStatus.STORED:
        raise NotTransferred("This file is not stored any more, so it cannot be transferred.")
    if UserSession.objects.live().filter(pk=upload.session_id).exists():
        raise NotTransferred(
            f"{upload.session} is still live: its visitor can open the file there."
        )
    _refuse_given(upload)
    if not UserSession.objects.live().filter(pk=session.pk).exists():
        raise NotTransferred(_over(session))


def _refuse_given(upload: UploadedFile) -> None:
    copy = live_copy(upload=upload)
    if copy is None:
        return
    if copy.status == UploadStatus.PENDING:
        raise NotTransferred(
            f"This file is being transferred to {copy.session}. If it is not there in 15 minutes, "
            "try again."
        )
    raise NotTransferred(
        f"This file was transferred to {copy.session} before. Transfer it from there."
    )


def _over(session: UserSession) -> str:
    return f"{session} has ended. Ask the visitor for the support code that the page shows now."


def _reserve(upload: UploadedFile, session: UserSession) -> UploadedFile:
    """Create the pending row of the copy; raises NotTransferred."""
    try:
        return reserve(
            session=session,
            name=upload.name,
            file_type=FileType(upload.key.rpartition(".")[2], upload.content_type),
            size=upload.size,
            sha256=upload.sha256,
            restored_from=upload,
        )
    except QuotaExceeded as error:
        raise NotTransferred(
            f"The quota of {session} is used up: at most {settings.UPLOAD_MAX_FILES} files and "
            f"{filesizeformat(settings.UPLOAD_MAX_TOTAL_BYTES)}. The visitor can delete a file first."
        ) from error
    except SessionInvalid as error:
        raise NotTransferred(_over(session)) from error
    except IntegrityError:  # another transfer was faster
        _refuse_given(upload)
        raise


def _fill(
    copy: UploadedFile, upload: UploadedFile, *, content: File[bytes], reason: str
) -> UploadedFile:
    try:
        return finish_upload(
            upload=copy, content=content, also=partial(_record_transfer, upload, copy, reason)
        )
    except SessionInvalid as error:
        raise NotTransferred(_over(copy.session)) from error
    except NotTransferred:
        give_up_upload(upload=copy, reason="not_given")
        raise


def _record_transfer(upload: UploadedFile, copy: UploadedFile, reason: str) -> None:
    """Copy the verdict and record the transfer, if the file is still stored."""
    stored = UploadedFile.objects.select_for_update().filter(
        pk=upload.pk, status=UploadStatus.STORED
    )
    verdict = stored.values("inspection", "inspected_at", "suspicions").first()
    if verdict is None:
        raise NotTransferred(
            "The file was deleted or quarantined meanwhile, so it was not transferred."
        )
    UploadedFile.objects.filter(pk=copy.pk).update(**verdict)
    _record_restored(upload=upload, copy=copy, reason=reason)


def _record_restored(*, upload: UploadedFile, copy: UploadedFile, reason: str) -> None:
    """Record the transfer in both sessions. Must be called in the transaction that stores the copy."""
    source = {"from_session": str(upload.session_id), "from_upload": str(upload.pk)}
    target = {"to_session": str(copy.session_id), "to_upload": str(copy.pk)}
    record_upload(events.RESTORED, upload, reason=reason, **target)
    record_upload(events.RESTORED, copy, reason=reason, **source)


class _Unchanged(File[bytes]):
    """A file that raises NotTransferred at its end if its SHA-256 is not the expected one."""

    def __init__(self, content: File[bytes], sha256: str) -> None:
        super().__init__(content)
        self._sha256 = sha256

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in super().chunks(chunk_size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self._sha256:
            raise NotTransferred(
                "The stored bytes are damaged, so the file was not transferred. Contact an operator."
            )

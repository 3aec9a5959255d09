"""A file of a session that is over, given to the session that its visitor has now.

The copy goes through the steps of an upload, so what guards those guards it:
the quota, a key of its own, a lease that the cleanup knows. The file that it is
made from stays until its own retention is over.
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
from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.exceptions import ObjectMissing, QuotaExceeded
from uploads_app.inspection.file_types import FileType
from uploads_app.models import IN_QUOTA, UploadedFile, UploadStatus
from uploads_app.services.deletion import give_up_upload
from uploads_app.services.download import open_bytes
from uploads_app.services.transition import record_upload
from uploads_app.services.upload import claim_store, finish_upload, reserve

# A visitor who has left more sessions than these in a row names the last one by its code.
LONGEST_CHAIN = 100


class NotGiven(Exception):
    """Why a file was not given to another session, in a sentence."""


class SessionRelation(Enum):
    """What speaks for two sessions being one visitor's."""

    FOLLOWS = "follows"
    SAME_PERSON = "same person"
    CLAIMED = "claimed"
    NONE = "none"

    @property
    def is_proof(self) -> bool:
        """Whether nobody else could have made it."""
        return self in (SessionRelation.FOLLOWS, SessionRelation.SAME_PERSON)


def live_follower(*, session: UserSession) -> UserSession | None:
    """Return the live session at the end of all that followed this one, None if there is none."""
    last = session
    for _ in range(LONGEST_CHAIN):
        follower = UserSession.objects.filter(predecessor=last).first()
        if follower is None:
            break
        last = follower
    return UserSession.objects.live().exclude(pk=session.pk).filter(pk=last.pk).first()


def bond(*, session: UserSession, other: UserSession) -> SessionRelation:
    """Say what links a session to another one that is live."""
    if live_follower(session=session) == other:
        return SessionRelation.FOLLOWS
    if not session.email or session.email.lower() != other.email.lower():
        return SessionRelation.NONE
    proven = session.email_proven and other.email_proven
    return SessionRelation.SAME_PERSON if proven else SessionRelation.CLAIMED


def living_copy(*, upload: UploadedFile) -> UploadedFile | None:
    """Return the file that was made from this one and has not gone again."""
    copies = UploadedFile.objects.filter(restored_from=upload, status__in=IN_QUOTA)
    return copies.select_related("session").first()


def give_upload(*, upload: UploadedFile, session: UserSession, reason: str) -> UploadedFile:
    """Copy a stored file into another, live session and return the copy's row.

    Its bytes must be what was stored once, to the last; what a look inside has found is
    found of the copy too. Raises NotGiven or StorageUnavailable, and then neither
    session holds more than before.
    """
    _refuse_unfit(upload, session)
    claim_store()
    try:
        content = open_bytes(upload=upload)
    except ObjectMissing as error:
        raise NotGiven(
            "Its bytes are not in storage, so there is nothing to give. Explain says what is known."
        ) from error
    with content:
        copy = _reserve(upload, session)
        return _fill(copy, upload, content=_Unchanged(File(content), upload.sha256), reason=reason)


def _refuse_unfit(upload: UploadedFile, session: UserSession) -> None:
    if upload.status == UploadStatus.QUARANTINED:
        raise NotGiven("This file is in quarantine: nobody may have it, in no session.")
    if upload.status != UploadStatus.STORED:
        raise NotGiven("This file is not stored (any more), so there is nothing to give.")
    if UserSession.objects.live().filter(pk=upload.session_id).exists():
        raise NotGiven(f"{upload.session} is still live: its visitor sees the file there.")
    _refuse_given(upload)
    if not UserSession.objects.live().filter(pk=session.pk).exists():
        raise NotGiven(_over(session))


def _refuse_given(upload: UploadedFile) -> None:
    copy = living_copy(upload=upload)
    if copy is None:
        return
    if copy.status == UploadStatus.PENDING:
        raise NotGiven(
            f"It is being given to {copy.session} just now. If the file is not there in a quarter "
            "of an hour, try again."
        )
    raise NotGiven(f"It was given to {copy.session} already; from there it can be given on.")


def _over(session: UserSession) -> str:
    return f"{session} is over: ask for the support code that the visitor's page shows now."


def _reserve(upload: UploadedFile, session: UserSession) -> UploadedFile:
    """Make the copy's row, pending and within the quota; raises NotGiven."""
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
        raise NotGiven(
            f"{session} is full: a session holds at most {settings.UPLOAD_MAX_FILES} files and "
            f"{filesizeformat(settings.UPLOAD_MAX_TOTAL_BYTES)}. The visitor can delete a file first."
        ) from error
    except SessionInvalid as error:
        raise NotGiven(_over(session)) from error
    except IntegrityError:  # somebody else was quicker
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
        raise NotGiven(_over(copy.session)) from error
    except NotGiven:
        give_up_upload(upload=copy, reason="not_given")
        raise


def _record_transfer(upload: UploadedFile, copy: UploadedFile, reason: str) -> None:
    """Carry the verdict over and record the giving, if the file is still to be given."""
    stored = UploadedFile.objects.select_for_update().filter(
        pk=upload.pk, status=UploadStatus.STORED
    )
    verdict = stored.values("inspection", "inspected_at", "suspicions").first()
    if verdict is None:
        raise NotGiven("The file was taken away meanwhile, so it was not given.")
    UploadedFile.objects.filter(pk=copy.pk).update(**verdict)
    _record_restored(upload=upload, copy=copy, reason=reason)


def _record_restored(*, upload: UploadedFile, copy: UploadedFile, reason: str) -> None:
    """Write down, in both histories, that a file was given to another session as `copy`.

    Must be called in the transaction that stores the copy.
    """
    source = {"from_session": str(upload.session_id), "from_upload": str(upload.pk)}
    target = {"to_session": str(copy.session_id), "to_upload": str(copy.pk)}
    record_upload(events.RESTORED, upload, reason=reason, **target)
    record_upload(events.RESTORED, copy, reason=reason, **source)


class _Unchanged(File[bytes]):
    """Bytes that end well only if they are what was stored once; nothing keeps them in memory."""

    def __init__(self, content: File[bytes], sha256: str) -> None:
        super().__init__(content)
        self._sha256 = sha256

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in super().chunks(chunk_size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != self._sha256:
            raise NotGiven(
                "Its bytes are not what was stored once, so it was not given. Tell an operator: "
                "the store has damaged it."
            )

"""Delete the files of an erased session."""

import logging
from contextlib import suppress

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.models import UserSession
from uploads_app.models import (
    VISIBLE,
    ErasureNote,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services.deletion import (
    begin_deletion,
    finish_deletion,
    lapse_upload,
    remove_leftovers,
)
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import erased_key

logger = logging.getLogger(__name__)

NOTES_AT_ONCE = 1000


def begin_erasure(*, session: UserSession) -> None:
    """Take every file from a session that is being erased, and forget the names of all it ever had.

    Must be called in the transaction that closes the session.
    """
    files = UploadedFile.objects.filter(session=session)
    files.update(name="", retry_key=None)
    for upload in files.filter(status__in=VISIBLE):
        begin_deletion(upload=upload, among=files.filter(status__in=VISIBLE), reason="erased")
    for upload in files.pending():
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
                remove_leftovers(upload)
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

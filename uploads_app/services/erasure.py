"""Delete the files of an erased session."""

import logging
from contextlib import suppress

from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from sessions_app.models import UserSession
from uploads_app import marker
from uploads_app.models import (
    SESSION_ERASED,
    VISIBLE,
    ErasureNote,
    QuarantinedObject,
    TrashStatus,
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
    """Mark every file of a session as `deleting`, and delete all its file names.

    The next cleanup run purges its objects in the trash, and those that were restored from there.
    Must be called in the transaction that closes the session.
    """
    files = UploadedFile.objects.filter(session=session)
    files.update(name="", retry_key=None, network="")
    for upload in files.filter(status__in=VISIBLE):
        begin_deletion(upload=upload, among=files.filter(status__in=VISIBLE), reason="erased")
    for upload in files.pending():
        lapse_upload(upload=upload, reason="erased")
    trash_items = QuarantinedObject.objects.of_session(session.uuid)
    trash_items.exclude(status=TrashStatus.PURGED).update(reason=SESSION_ERASED)
    ErasureNote.objects.get_or_create(session_uuid=session.uuid)


def finish_erasure(*, session: UserSession) -> None:
    """Delete the objects of an erased session's files.

    The next call deletes what this one cannot: objects that the store did not
    delete, and uploads that may still be written because their lease is not over.
    """
    unfinished = Q(status=UploadStatus.LAPSED, lease_expires_at__gt=Now())
    try:
        marker.require_own_store(fresh=True)
        for upload in UploadedFile.objects.unerased().filter(session=session).exclude(unfinished):
            if upload.status == UploadStatus.DELETING:
                finish_deletion(upload=upload)
            else:
                remove_leftovers(upload)
        note_erasures(session=session)
    except OSError as error:  # stop at the first failure: a hanging store would delay every file
        logger.warning(
            "The store did not erase session %s, the sweep will: %s", session.uuid, error
        )


def note_erasures(*, session: UserSession | None = None) -> None:
    """Write to the store which sessions were erased, so that a restored backup cannot undo it.

    Raises OSError if the store fails; the next call continues.
    """
    notes = ErasureNote.objects.filter(recorded_at=None)
    if session is not None:
        notes = notes.filter(session_uuid=session.uuid)
    for note in notes[:NOTES_AT_ONCE]:
        with suppress(FileExistsError):
            object_store().put(erased_key(note.session_uuid), [])
        ErasureNote.objects.filter(pk=note.pk).update(recorded_at=timezone.now())

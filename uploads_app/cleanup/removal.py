"""Deletes files by their rows. Each batch is a transaction, a deletion in the store, a transaction.

A row stops being live before its object is deleted, and becomes `deleted` after
that. After a crash in between, the next run finishes the deletion.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.utils import timezone

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, Personal, record_many
from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.cleanup.findings import FindingKind
from uploads_app.models import UploadedFile, UploadQuerySet, UploadQuota, UploadStatus, object_keys
from uploads_app.storage.base import object_store

logger = logging.getLogger(__name__)


@dataclass
class RemovalResult:
    """The result of a batch: the keys that are done, with their bytes, and how many failed."""

    done: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def remove(
    kind: FindingKind, uploads: Sequence[UploadedFile], due: UploadQuerySet
) -> RemovalResult:
    """Delete those of the uploads that are still in `due`, the queue of `kind`.

    Raises OSError if the whole store fails; the next run then finishes the rows.
    """
    if kind == FindingKind.LAPSED:
        return _lapse(uploads, due)
    if kind == FindingKind.PAST_RETENTION:
        uploads = _begin(uploads, due)
    return _finish(uploads)


def delete_objects(keys: Sequence[str]) -> dict[str, str]:
    """Delete objects. Return and log the reason for each that could not be deleted."""
    failed = object_store().delete_many(keys)
    for key, reason in failed.items():
        logger.error("storage did not delete %s: %s", key, reason)
    return failed


def _lapse(uploads: Sequence[UploadedFile], due: UploadQuerySet) -> RemovalResult:
    """Mark uploads as lapsed and free their quota. Reconciling finds objects that arrive later."""
    with transaction.atomic():
        lapsed = _locked(uploads, due)
        _update(lapsed, status=UploadStatus.LAPSED, retry_key=None)
        _free_quota(lapsed)
        _record(events.LAPSED, lapsed, lambda _: {"reason": "lease"})
    failed = delete_objects([key for upload in lapsed for key in object_keys(upload)])
    done = {row.key: row.size for row in lapsed if not failed.keys() & set(object_keys(row))}
    return RemovalResult(done, len(failed))


def _begin(uploads: Sequence[UploadedFile], due: UploadQuerySet) -> list[UploadedFile]:
    with transaction.atomic():
        begun = _locked(uploads, due)
        _update(begun, status=UploadStatus.DELETING, delete_reason="retention")
        _free_quota(begun)
    return begun


def _finish(uploads: Sequence[UploadedFile]) -> RemovalResult:
    failed = delete_objects([key for upload in uploads for key in object_keys(upload)])
    deleted = [upload for upload in uploads if not failed.keys() & set(object_keys(upload))]
    with transaction.atomic():
        done = _locked(deleted, UploadedFile.objects.deleting())
        _update(done, status=UploadStatus.DELETED, deleted_at=timezone.now())
        _record(
            events.DELETED,
            done,
            lambda upload: {
                "reason": upload.delete_reason,
                "size": upload.size,
                "sha256": upload.sha256,
            },
        )
    return RemovalResult({upload.key: upload.size for upload in done}, len(failed))


def _locked(uploads: Sequence[UploadedFile], among: UploadQuerySet) -> list[UploadedFile]:
    """Hold the files that still are in `among`. Locks are taken in one order: session, file, quota."""
    sessions = {upload.session_id for upload in uploads}
    locked = UserSession.objects.select_for_update().filter(pk__in=sessions).order_by("pk")
    list(locked.values_list("pk"))
    still = among.filter(pk__in=[upload.pk for upload in uploads])
    return list(still.select_for_update(of=("self",)).order_by("pk"))


def _update(uploads: Sequence[UploadedFile], **values: object) -> None:
    UploadedFile.objects.filter(pk__in=[upload.pk for upload in uploads]).update(**values)
    for upload in uploads:
        for name, value in values.items():
            setattr(upload, name, value)


def _free_quota(uploads: Sequence[UploadedFile]) -> None:
    """Free the room of files that were just taken from their sessions, in one statement."""
    freed = UploadedFile.objects.filter(
        session=OuterRef("session"), pk__in=[upload.pk for upload in uploads]
    )
    by_session = freed.order_by().values("session")
    UploadQuota.objects.filter(session__in={upload.session_id for upload in uploads}).update(
        files=F("files") - Subquery(by_session.annotate(files=Count("pk")).values("files")),
        bytes=F("bytes") - Subquery(by_session.annotate(bytes=Sum("size")).values("bytes")),
    )


def _record(
    event: EventType,
    uploads: Sequence[UploadedFile],
    details: Callable[[UploadedFile], dict[str, Value]],
) -> None:
    record_many(
        event,
        (
            Entry(
                upload.session_id,
                f"upload:{upload.pk}",
                Personal(file_name=upload.name),
                details(upload),
            )
            for upload in uploads
        ),
    )

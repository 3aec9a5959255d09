"""The one way in which rows change: lock them, change those that still qualify, and record it."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from audit_app.canonical import Value
from audit_app.events import EventType
from audit_app.services import Entry, Personal, record_many
from common.statements import Argument, CompiledUpdate
from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.models import UploadedFile, UploadQuerySet, UploadStatus
from uploads_app.services.quota import correct_quotas, recount_quotas
from uploads_app.storage.base import StoredBytes

Row = TypeVar("Row", bound=Model)
Details = dict[str, Value]
_PK = UploadedFile._meta.get_field("id")
_SHA256 = UploadedFile._meta.get_field("sha256")
_STORED_AT = UploadedFile._meta.get_field("stored_at")
_MARK_STORED = CompiledUpdate(
    lambda: UploadedFile.objects.pending().filter(pk=Argument("upload", _PK)),
    status=UploadStatus.STORED,
    sha256=Argument("sha256", _SHA256),
    stored_at=Argument("stored_at", _STORED_AT),
)


def change_rows(rows: QuerySet[Row], **values: Any) -> list[Row]:
    """Lock the rows of a query, change them, and return them with their new values."""
    changed = list(rows.select_for_update(of=("self",)).order_by("pk"))
    rows.model._default_manager.filter(pk__in=[row.pk for row in changed]).update(**values)
    for row in changed:
        for name, value in values.items():
            setattr(row, name, value)
    return changed


def change_uploads(
    uploads: Sequence[UploadedFile],
    among: UploadQuerySet,
    *,
    event: EventType | None = None,
    details: Callable[[UploadedFile], Details] = lambda _: {},
    frees_quota: bool = False,
    **values: Any,
) -> list[UploadedFile]:
    """Change the uploads that still are in `among`; return them with their new values.

    The change, the freed quota and the audit events are one transaction. Locks
    are always taken in the order session, upload, quota.
    """
    with transaction.atomic():
        sessions = {upload.session_id for upload in uploads}
        lock_sessions(sessions)
        if frees_quota:
            correct_quotas(sessions)
        still = among.filter(pk__in=[upload.pk for upload in uploads])
        changed = change_rows(still, **values)
        if frees_quota:
            recount_quotas({upload.session_id for upload in changed})
        if event:
            record_uploads(event, changed, details)
    return changed


def change_upload(upload: UploadedFile, among: UploadQuerySet, **change: Any) -> bool:
    """Do `change_uploads` for one upload; False if it is not in `among` any more.

    Afterwards `upload` has the values of its row, changed or not.
    """
    changed = change_uploads([upload], among, **change)
    row = changed[0] if changed else UploadedFile.objects.get(pk=upload.pk)
    for field in UploadedFile._meta.concrete_fields:
        setattr(upload, field.attname, getattr(row, field.attname))
    return bool(changed)


def mark_stored(upload: UploadedFile, written: StoredBytes) -> bool:
    """Do `change_upload` for a pending upload whose bytes are written. Its session must be locked."""
    values = {"sha256": written.sha256, "stored_at": timezone.now()}
    if not _MARK_STORED.update(upload=upload.pk, **values):
        upload.refresh_from_db()
        return False
    for name, value in {"status": UploadStatus.STORED, **values}.items():
        setattr(upload, name, value)
    record_upload(
        events.STORED,
        upload,
        size=written.size,
        sha256=written.sha256,
        content_type=upload.content_type,
    )
    return True


def record_upload(event: EventType, upload: UploadedFile, **details: Value) -> None:
    record_uploads(event, [upload], lambda _: details)


def record_uploads(
    event: EventType,
    uploads: Sequence[UploadedFile],
    details: Callable[[UploadedFile], Details],
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


def lock_sessions(sessions: Collection[UUID]) -> list[UserSession]:
    """Lock sessions until the transaction ends. No row of a file can be created in them meanwhile."""
    rows = UserSession.objects.select_for_update().filter(pk__in=sessions).only("status")
    return list(rows.order_by("pk"))


def lock_uploads(keys: Collection[str]) -> list[UploadedFile]:
    """Lock the rows of keys until the transaction ends. Lock their sessions first."""
    rows = UploadedFile.objects.select_for_update(of=("self",)).filter(key__in=keys)
    return list(rows.order_by("pk"))

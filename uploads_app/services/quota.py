"""What counts against a session's quota: its files, and bytes that may still arrive.

A restore of one table or a change by SQL can leave a quota that its rows
contradict. The rows decide. The sessions must be locked.
"""

from collections.abc import Collection
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce, Now

from audit_app.services import record
from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.exceptions import QuotaExceeded
from uploads_app.models import IN_QUOTA, UploadedFile, UploadQuota
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key

_OF_SESSION = (
    UploadedFile.objects.filter(session=OuterRef("session"), status__in=IN_QUOTA)
    .order_by()
    .values("session")
)
_FILES = Coalesce(Subquery(_OF_SESSION.annotate(files=Count("pk")).values("files")), 0)
_BYTES = Coalesce(Subquery(_OF_SESSION.annotate(bytes=Sum("size")).values("bytes")), 0)


def use_quota(*, upload_request: UploadedFile) -> None:
    """Count a new file; raises QuotaExceeded.

    A deleted upload counts as long as its form can still write bytes.
    """
    session = upload_request.session
    arriving = (
        UploadedFile.objects.with_open_form()
        .filter(session=session)
        .aggregate(files=Count("pk"), bytes=Sum("size", default=0))
    )
    UploadQuota.objects.get_or_create(session=session)
    if _admit(upload_request, **arriving):
        return
    if not (correct_quotas([session.uuid]) and _admit(upload_request, **arriving)):
        raise QuotaExceeded(session.uuid, upload_request.name, bool(arriving["files"]))


def free_expired_forms(*, session: UserSession) -> None:
    """Delete what came by the expired forms of closed uploads, which then no longer count."""
    closed = UploadedFile.objects.with_open_form().filter(session=session)
    for upload in closed.filter(form_expires_at__lt=Now()):
        with suppress(OSError):  # it counts until the next call
            object_store().delete(incoming_key(upload.key))
            same_form = closed.filter(pk=upload.pk, form_expires_at=upload.form_expires_at)
            same_form.update(form_expires_at=None)


def correct_quotas(sessions: Collection[UUID]) -> bool:
    """Correct and record the quotas that do not fit; return whether there was one."""
    counted = UploadQuota.objects.filter(session__in=sessions).annotate(
        counted_files=_FILES, counted_bytes=_BYTES
    )
    wrong = list(counted.exclude(files=F("counted_files"), bytes=F("counted_bytes")))
    for quota in wrong:
        record(
            events.QUOTA_CORRECTED,
            session_uuid=quota.session_id,
            files=quota.counted_files,
            bytes=quota.counted_bytes,
            files_before=quota.files,
            bytes_before=quota.bytes,
        )
    if wrong:
        recount_quotas([quota.session_id for quota in wrong])
    return bool(wrong)


def recount_quotas(sessions: Collection[UUID]) -> None:
    """Set the quotas to what the rows use now."""
    UploadQuota.objects.filter(session__in=sessions).update(files=_FILES, bytes=_BYTES)


def _admit(upload_request: UploadedFile, files: int, bytes: int) -> bool:
    """Count a new file, if the quota fits the rows and allows it beside what may still arrive."""
    size = upload_request.size
    admitted = UploadQuota.objects.filter(
        session=upload_request.session_id,
        files=_FILES,
        bytes=_BYTES,
        files__lt=settings.UPLOAD_MAX_FILES - files,
        bytes__lte=settings.UPLOAD_MAX_TOTAL_BYTES - bytes - size,
    )
    return bool(admitted.update(files=F("files") + 1, bytes=F("bytes") + size))

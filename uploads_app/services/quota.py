"""What counts against a session's quota: its files, and bytes that may still arrive.

A restore of one table or a change by SQL can leave a quota that its rows
contradict. The rows decide. The sessions must be locked.
"""

from collections.abc import Collection
from contextlib import suppress
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce, Now

from audit_app.services import record
from common.statements import Argument, CompiledUpdate
from sessions_app.models import UserSession
from uploads_app import events
from uploads_app.exceptions import QuotaExceeded
from uploads_app.models import IN_QUOTA, UploadedFile, UploadQuerySet, UploadQuota
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key

_UPLOADS = UploadedFile.objects.filter(session=OuterRef("session"))
_COUNTED = _UPLOADS.filter(status__in=IN_QUOTA)
# A deleted upload counts as long as its form can still write bytes.
_ARRIVING = _UPLOADS.with_open_form()


def _files(uploads: UploadQuerySet) -> Coalesce:
    count = uploads.order_by().values("session").annotate(files=Count("pk"))
    return Coalesce(Subquery(count.values("files")), 0)


def _bytes(uploads: UploadQuerySet) -> Coalesce:
    total = uploads.order_by().values("session").annotate(bytes=Sum("size"))
    return Coalesce(Subquery(total.values("bytes")), 0)


def _admitting() -> "QuerySet[UploadQuota]":
    """Return a session's quota if it fits the rows, and allows a new file beside what may still arrive."""
    return UploadQuota.objects.filter(
        session=Argument("session", UserSession._meta.pk),
        files=_files(_COUNTED),
        bytes=_bytes(_COUNTED),
        files__lt=Argument("max_files", _FILES) - _files(_ARRIVING),
        bytes__lte=Argument("max_bytes", _BYTES) - _bytes(_ARRIVING) - Argument("size", _BYTES),
    )


_FILES = UploadQuota._meta.get_field("files")
_BYTES = UploadQuota._meta.get_field("bytes")
_ADMIT = CompiledUpdate(
    _admitting, files=F("files") + 1, bytes=F("bytes") + Argument("size", _BYTES)
)


def use_quota(*, upload_request: UploadedFile) -> None:
    """Count a new file; raises QuotaExceeded."""
    session = upload_request.session
    admitted = (
        _admit(upload_request)
        or (_create_quota(session) and _admit(upload_request))
        or (correct_quotas([session.uuid]) and _admit(upload_request))
    )
    if not admitted:
        forms = UploadedFile.objects.with_open_form().filter(session=session)
        raise QuotaExceeded(session.uuid, upload_request.name, forms.exists())


def free_expired_forms(*, session: UserSession) -> bool:
    """Delete what came by the expired forms of closed uploads; return whether they count no longer."""
    closed = UploadedFile.objects.with_open_form().filter(session=session)
    freed = 0
    for upload in closed.filter(form_expires_at__lt=Now()):
        with suppress(OSError):  # it counts until the next call
            object_store().delete(incoming_key(upload.key))
            same_form = closed.filter(pk=upload.pk, form_expires_at=upload.form_expires_at)
            freed += same_form.update(form_expires_at=None)
    return bool(freed)


def correct_quotas(sessions: Collection[UUID]) -> bool:
    """Correct and record the quotas that do not fit; return whether there was one."""
    counted = UploadQuota.objects.filter(session__in=sessions).annotate(
        counted_files=_files(_COUNTED), counted_bytes=_bytes(_COUNTED)
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
    UploadQuota.objects.filter(session__in=sessions).update(
        files=_files(_COUNTED), bytes=_bytes(_COUNTED)
    )


def _admit(upload_request: UploadedFile) -> bool:
    return bool(
        _ADMIT.update(
            session=upload_request.session_id,
            size=upload_request.size,
            max_files=settings.UPLOAD_MAX_FILES,
            max_bytes=settings.UPLOAD_MAX_TOTAL_BYTES,
        )
    )


def _create_quota(session: UserSession) -> bool:
    """Create a session's quota; False if there is one."""
    return UploadQuota.objects.get_or_create(session=session)[1]

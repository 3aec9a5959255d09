"""The quota of a session: admission, and its correction where it does not fit the session's files.

A restore of one table or a change by SQL can leave a quota that its rows
contradict. The rows decide. Every call needs the lock of the sessions.
"""

from collections.abc import Collection
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from audit_app.services import record
from uploads_app import events
from uploads_app.exceptions import QuotaExceeded
from uploads_app.models import IN_QUOTA, UploadedFile, UploadQuota

_OF_SESSION = (
    UploadedFile.objects.filter(session=OuterRef("session"), status__in=IN_QUOTA)
    .order_by()
    .values("session")
)
_FILES = Coalesce(Subquery(_OF_SESSION.annotate(files=Count("pk")).values("files")), 0)
_BYTES = Coalesce(Subquery(_OF_SESSION.annotate(bytes=Sum("size")).values("bytes")), 0)


def use_quota(*, upload_request: UploadedFile) -> None:
    """Count a new file; raises QuotaExceeded."""
    UploadQuota.objects.get_or_create(session=upload_request.session)
    sessions = [upload_request.session_id]
    if not (_admit(upload_request) or (correct_quotas(sessions) and _admit(upload_request))):
        raise QuotaExceeded(upload_request.session_id, upload_request.name)


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


def _admit(upload_request: UploadedFile) -> bool:
    """Count a new file, if the quota fits the rows and allows it."""
    size = upload_request.size
    admitted = UploadQuota.objects.filter(
        session=upload_request.session_id,
        files=_FILES,
        bytes=_BYTES,
        files__lt=settings.UPLOAD_MAX_FILES,
        bytes__lte=settings.UPLOAD_MAX_TOTAL_BYTES - size,
    )
    return bool(admitted.update(files=F("files") + 1, bytes=F("bytes") + size))

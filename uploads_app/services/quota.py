"""What counts against a session's quota: its files, and bytes that may still arrive."""

from contextlib import suppress

from django.conf import settings
from django.db.models import Count, F, Sum
from django.db.models.functions import Now

from sessions_app.models import UserSession
from uploads_app.exceptions import QuotaExceeded
from uploads_app.models import UploadedFile, UploadQuota
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key


def use_quota(*, upload_request: UploadedFile) -> None:
    """Count a new file; raises QuotaExceeded. The session must be locked.

    A deleted upload counts as long as its form can still write bytes.
    """
    session, size = upload_request.session, upload_request.size
    arriving = (
        UploadedFile.objects.with_open_form()
        .filter(session=session)
        .aggregate(files=Count("pk"), bytes=Sum("size", default=0))
    )
    UploadQuota.objects.get_or_create(session=session)
    admitted = UploadQuota.objects.filter(
        session=session,
        files__lt=settings.UPLOAD_MAX_FILES - arriving["files"],
        bytes__lte=settings.UPLOAD_MAX_TOTAL_BYTES - arriving["bytes"] - size,
    ).update(files=F("files") + 1, bytes=F("bytes") + size)
    if not admitted:
        raise QuotaExceeded(session.uuid, upload_request.name, bool(arriving["files"]))


def free_expired_forms(*, session: UserSession) -> None:
    """Delete what came by the expired forms of closed uploads, which then no longer count."""
    closed = UploadedFile.objects.with_open_form().filter(session=session)
    for upload in closed.filter(form_expires_at__lt=Now()):
        with suppress(OSError):  # it counts until the next call
            object_store().delete(incoming_key(upload.key))
            same_form = closed.filter(pk=upload.pk, form_expires_at=upload.form_expires_at)
            same_form.update(form_expires_at=None)

"""What this app says when somebody asks about a session."""

from typing import Any

from django.conf import settings
from django.dispatch import receiver

from sessions_app.models import UserSession
from sessions_app.signals import session_described
from uploads_app.models import UploadedFile, UploadQuota


@receiver(session_described)
def describe_uploads(session: UserSession, **_: Any) -> dict[str, dict[str, Any]]:
    """Tell what a session may hold, what it holds, and what its end takes from its visitor."""
    quota = UploadQuota.objects.filter(session=session).first()
    names = (
        list(
            UploadedFile.objects.visible_to(session)
            .order_by("created_at")
            .values_list("name", flat=True)
        )
        if quota and quota.files
        else []
    )
    return {
        "limits": {
            "max_files": settings.UPLOAD_MAX_FILES,
            "max_file_bytes": settings.UPLOAD_MAX_BYTES,
            "max_total_bytes": settings.UPLOAD_MAX_TOTAL_BYTES,
            "types": settings.UPLOAD_TYPES,
        },
        "used": {"files": quota.files if quota else 0, "bytes": quota.bytes if quota else 0},
        "lost": {"count": len(names), "files": names},
    }

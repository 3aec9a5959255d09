"""Receivers of session signals."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db.models import F, FilteredRelation, Q
from django.dispatch import receiver

from sessions_app.models import UserSession
from sessions_app.signals import Aspect, session_described, session_erased, session_erasing
from uploads_app.models import VISIBLE, ErasureNote, QuarantinedObject, UploadedFile, UploadQuota
from uploads_app.services import direct
from uploads_app.services.erasure import begin_erasure, finish_erasure


@receiver(session_described)
def describe_uploads(session: UserSession, aspect: Aspect, **_: Any) -> dict[str, Any]:
    """Return the limits, use, losses or files of a session."""
    return _ASPECTS[aspect](session)


@receiver(session_erasing)
def give_up_files(session: UserSession, **_: Any) -> None:
    begin_erasure(session=session)


@receiver(session_erased)
def remove_bytes(session: UserSession, **_: Any) -> None:
    finish_erasure(session=session)


def _limits(session: UserSession) -> dict[str, Any]:
    return {
        "max_files": settings.UPLOAD_MAX_FILES,
        "max_file_bytes": settings.UPLOAD_MAX_BYTES,
        "max_total_bytes": settings.UPLOAD_MAX_TOTAL_BYTES,
        "types": settings.UPLOAD_TYPES,
        "direct_upload": direct.is_offered(),
    }


def _used(session: UserSession) -> dict[str, Any]:
    quota = getattr(session, "uploadquota", None) or UploadQuota()
    return {"files": quota.files, "bytes": quota.bytes}


def _lost(session: UserSession) -> dict[str, Any]:
    files = UploadedFile.objects.visible_to(session).order_by("created_at")
    names = list(files.values_list("name", flat=True)) if session.used_at else []
    return {"count": len(names), "files": names}


def _file_list(session: UserSession) -> dict[str, Any]:
    files = UploadedFile.objects.filter(session=session).order_by("created_at")
    fields = (
        "id", "name", "status", "size", "content_type", "sha256",
        "created_at", "stored_at", "deleted_at", "delete_reason",
        "inspection", "inspected_at", "suspicions",
    )  # fmt: skip
    return {"uploads": list(files.values(*fields))}


def _remaining(session: UserSession) -> dict[str, Any]:
    return {
        "files": UploadedFile.objects.unerased().filter(session=session).count(),
        "trash": QuarantinedObject.objects.of_session(session.uuid).kept().count(),
        "notes": ErasureNote.objects.filter(session_uuid=session.uuid, recorded_at=None).count(),
    }


_ASPECTS: dict[Aspect, Callable[[UserSession], dict[str, Any]]] = {
    "limits": _limits,
    "used": _used,
    "lost": _lost,
    "export": _file_list,
    "remaining": _remaining,
    "tables": lambda _: {"files": UploadedFile._meta.db_table},
    "related": lambda _: {"uploadquota": UploadQuota},
    "revision": lambda _: {
        "shown": FilteredRelation("uploads", condition=Q(uploads__status__in=VISIBLE)),
        "file": F("shown__id"),
        "file_status": F("shown__status"),
    },
}

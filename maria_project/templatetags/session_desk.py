"""What support sees on a session's page beside the session: its files and its history.

The apps do not know each other's pages; here, above them, they are joined.
"""

from typing import Any

from django import template
from django.db.models import Model, QuerySet

from audit_app.models import AuditLog
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile

register = template.Library()

SHOWN = 200


@register.inclusion_tag("admin/sessions_app/usersession/files.html")
def session_files(session: UserSession) -> dict[str, Any]:
    """Show a session's files, newest first."""
    files = UploadedFile.objects.filter(session=session).order_by("-created_at")
    return {"original": session, **_first("files", files)}


@register.inclusion_tag("admin/sessions_app/usersession/history.html")
def session_history(session: UserSession) -> dict[str, Any]:
    """Show a session's audit events, newest first."""
    events = AuditLog.objects.about_session(session.uuid).select_related("personal")
    return {"original": session, **_first("events", events)}


def _first(name: str, rows: QuerySet[Model]) -> dict[str, Any]:
    shown = list(rows[: SHOWN + 1])
    return {name: shown[:SHOWN], "more": len(shown) > SHOWN}

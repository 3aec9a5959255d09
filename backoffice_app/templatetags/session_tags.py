"""What support sees on a session's page beside the session: its files and its one timeline.

The apps do not know each other's pages; here, above them, they are joined.
"""

from typing import Any

from django import template
from django.contrib import admin

from audit_app.adminkit.actions import ActionAdmin
from backoffice_app.timeline import FILTERS, timeline
from sessions_app.models import UserSession
from sessions_app.signals import describe
from uploads_app.models import UploadedFile

register = template.Library()

SHOWN = 200


@register.inclusion_tag("backoffice/files.html", takes_context=True)
def session_files(context: template.Context, session: UserSession) -> dict[str, Any]:
    """Show how much a session holds of what it may, and its files, newest first."""
    files = UploadedFile.objects.filter(session=session).order_by("-created_at")
    shown = list(files[: SHOWN + 1])
    model_admin = admin.site.get_model_admin(UploadedFile)
    assert isinstance(model_admin, ActionAdmin)
    return {
        "original": session,
        "files": [(file, model_admin.offered(context["request"], file)) for file in shown[:SHOWN]],
        "more": len(shown) > SHOWN,
        "used": describe(session, "used"),
        "limits": describe(session, "limits"),
        "perms": context["perms"],
    }


@register.inclusion_tag("backoffice/timeline.html", takes_context=True)
def session_timeline(context: template.Context, session: UserSession) -> dict[str, Any]:
    """Show what happened, as the address asks: `show` narrows it down, `before` goes back in time."""
    query = context["request"].GET
    found = timeline(session, shown=query.get("show", ""), before=query.get("before", ""))
    filters = [(name, label, name == found.shown) for name, (label, _) in FILTERS.items()]
    return {
        "original": session,
        "timeline": found,
        "filters": filters,
        "is_first": not query.get("before"),
        "perms": context["perms"],
    }

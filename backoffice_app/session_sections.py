"""The sections of pages that join the apps: a session's files and timeline, a sentence for the visitor."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from audit_app.adminkit.action_admin import ActionAdmin
from audit_app.models import AuditLog
from audit_app.seal.status import seal_of_events
from backoffice_app.answers import answer_about_event, answer_about_file
from backoffice_app.case.days import by_days
from backoffice_app.timeline import FILTERS, timeline
from sessions_app.models import UserSession
from sessions_app.signals import describe
from uploads_app.models import UploadedFile

SHOWN = 200


def files(request: HttpRequest, session: UserSession) -> tuple[str, dict[str, Any]]:
    """Show a session's used quota and its files, newest first."""
    rows = UploadedFile.objects.filter(session=session).order_by("-created_at")
    shown = list(rows[: SHOWN + 1])
    for file in shown:
        file.session = session
    model_admin = admin.site.get_model_admin(UploadedFile)
    own_admin = admin.site.get_model_admin(UserSession)
    assert isinstance(model_admin, ActionAdmin)
    assert isinstance(own_admin, ActionAdmin)
    return "backoffice/files.html", {
        "original": session,
        "here": f"{request.path}#files",
        "files": [
            (file, model_admin.action_links(request, file), answer_about_file(file))
            for file in shown[:SHOWN]
        ],
        "several": own_admin.action_links(request, session, "files"),
        "more": len(shown) > SHOWN,
        "used": describe(session, "used"),
        "limits": describe(session, "limits"),
    }


def events(request: HttpRequest, session: UserSession) -> tuple[str, dict[str, Any]]:
    """Show the timeline. The query parameter `show` filters it, `before` goes back in time."""
    query = request.GET
    found = timeline(session, shown=query.get("show", ""), before=query.get("before", ""))
    filters = [(name, label, name == found.shown) for name, (label, _) in FILTERS.items()]
    return "backoffice/timeline.html", {
        "original": session,
        "timeline": found,
        "days": by_days(found.entries, fold=not found.shown),
        "filters": filters,
        "is_first": not query.get("before"),
        "seal": seal_of_events([entry.log for entry in found.entries if entry.log]),
    }


def file_answer(request: HttpRequest, upload: UploadedFile) -> tuple[str, dict[str, Any]]:
    """Show the sentence for the visitor about a file."""
    return "backoffice/answer.html", {"answer": answer_about_file(upload)}


def event_answer(request: HttpRequest, log: AuditLog) -> tuple[str, dict[str, Any]]:
    """Show the sentence for the visitor about an event of a session."""
    return "backoffice/answer.html", {"answer": answer_about_event(log) if log.session_uuid else ""}

"""The section of a session's page that makes it live, and shows who else views the session."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from audit_app.adminkit.polls import is_poll
from backoffice_app.live import presence
from backoffice_app.live.views import session_revision
from sessions_app.models import UserSession


def live(request: HttpRequest, session: UserSession) -> tuple[str, dict[str, Any]]:
    revision = "" if is_poll(request) else session_revision(request, session.pk)
    return "backoffice/live/session.html", {
        "address": reverse("admin:sessions_app_usersession_live", args=[session.pk]),
        "revision": revision,
        "viewers": presence.others(session.pk, request.user),
    }

"""The card of a session's page: who the visitor is, how the session is, and what staff can do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse

from audit_app.adminkit.action_admin import ActionAdmin
from audit_app.adminkit.actions import ActionLink
from common.masking import mask_email, mask_name
from sessions_app.admin.sessions import place, state_in_words
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services.privacy import visitors_events
from sessions_app.signals import describe
from uploads_app.admin.file_actions import is_over, session_in_words
from uploads_app.models import UploadedFile

_STATES = {"active": "ok", "expired": "off", "revoked": "error", "erased": "off"}
# The act of the button: the first of these that fits. The others are in the menu.
_FIRST = ("give_files", "recover")


@dataclass(frozen=True)
class Neighbour:
    """The session before or after this one in the same browser, and how many files it has."""

    session: UserSession
    state: str
    files: int


@dataclass(frozen=True)
class Acts:
    """The actions of the page: the button, the menu, the reveal, and those that end the session."""

    first: ActionLink | None
    menu: Sequence[ActionLink]
    reveal: ActionLink | None
    revoke: ActionLink | None
    erase: ActionLink | None


def card(request: HttpRequest, session: UserSession, links: Sequence[ActionLink]) -> dict[str, Any]:
    """Return what the card shows. Personal values are masked unless the session is revealed."""
    is_revealed = getattr(session, "is_revealed", False)
    state = session_in_words(session)
    return {
        "session": session,
        "state": state,
        "badge": _STATES.get(state, "off"),
        "sentence": state_in_words(session),
        "until": _until(session),
        "is_over": is_over(session),
        "name": session.name if is_revealed else mask_name(session.name),
        "email": session.email if is_revealed else mask_email(session.email),
        "revealed_until": getattr(session, "revealed_until", None),
        "client": place(session, visitors_events(session).first()),
        "used": describe(session, "used"),
        "max_files": settings.UPLOAD_MAX_FILES,
        "max_bytes": settings.UPLOAD_MAX_TOTAL_BYTES,
        "before": _neighbour(session.predecessor),
        "after": _neighbour(getattr(session, "successor", None)),
        "acts": _acts(request, session, links),
        "person": reverse("admin:sessions_app_usersession_person", args=[session.pk]),
        "certificate": reverse("admin:sessions_app_usersession_certificate", args=[session.pk])
        if session.status == SessionStatus.ERASED
        else "",
    }


def _until(session: UserSession) -> datetime:
    return session.ended_at or session.expires_at


def _neighbour(session: UserSession | None) -> Neighbour | None:
    if session is None:
        return None
    files = UploadedFile.objects.visible_to(session).count()
    return Neighbour(session, session_in_words(session), files)


def _acts(request: HttpRequest, session: UserSession, links: Sequence[ActionLink]) -> Acts:
    session_admin = admin.site.get_model_admin(UserSession)
    assert isinstance(session_admin, ActionAdmin)
    several = session_admin.action_links(request, session, "files")
    by_name = {link.name: link for link in (*several, *links)}
    first = next((by_name[name] for name in _FIRST if name in by_name), None)
    apart = {"reveal", "revoke", "erase", first.name if first else ""}
    return Acts(
        first,
        [link for link in links if link.name not in apart],
        by_name.get("reveal"),
        by_name.get("revoke"),
        by_name.get("erase"),
    )

"""The admin lists that the figures were counted from, and who may open them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from audit_app import browser
from audit_app.events import RATE_LIMIT_EXCEEDED
from audit_app.models import AuditLog
from backoffice_app.models import FigureName
from sessions_app import events as session_events
from sessions_app.models import UserSession
from uploads_app.models import QuarantinedObject, UploadedFile


@dataclass(frozen=True)
class ListLink:
    """An admin list: its filter, and the query parameter for the earliest time."""

    model: type[Model]
    query: Mapping[str, str] = field(default_factory=dict)
    time: str = ""


def _audit(kind: str) -> ListLink:
    return ListLink(AuditLog, {"type": kind}, "since")


def _status(model: type[Model], status: str) -> ListLink:
    return ListLink(model, {"status__exact": status})


_UPLOADED = ListLink(UploadedFile, {"arrived": "whole"}, "created_at__gte")
LISTS: dict[FigureName, ListLink] = {
    FigureName.STARTED: ListLink(UserSession, time="created_at__gte"),
    FigureName.EXPIRED: _audit(session_events.EXPIRED.name),
    FigureName.UPLOADS: _UPLOADED,
    FigureName.UPLOADED_BYTES: _UPLOADED,
    FigureName.REFUSED: _audit(browser.REFUSALS),
    FigureName.LIMITED: _audit(RATE_LIMIT_EXCEEDED.name),
    FigureName.ACTIVE: _status(UserSession, "active"),
    FigureName.STORED_FILES: _status(UploadedFile, "stored"),
    FigureName.STORED_BYTES: _status(UploadedFile, "stored"),
    FigureName.QUARANTINED_FILES: _status(UploadedFile, "quarantined"),
    FigureName.QUARANTINED_BYTES: _status(UploadedFile, "quarantined"),
    FigureName.TRASHED_OBJECTS: _status(QuarantinedObject, "quarantined"),
    FigureName.TRASHED_BYTES: _status(QuarantinedObject, "quarantined"),
}


class ListAccess:
    """Which lists a staff member may open, and their URLs."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def may_open(self, model: type[Model]) -> bool:
        return admin.site.get_model_admin(model).has_view_permission(self._request)

    def link(self, to: ListLink, since: datetime | None = None) -> str:
        """Return the URL of a list; empty if the staff member may not open it."""
        if not self.may_open(to.model):
            return ""
        query = dict(to.query)
        if since:
            query[to.time] = since.isoformat()
        meta = to.model._meta
        page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        return f"{page}?{urlencode(query)}" if query else page

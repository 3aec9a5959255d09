"""The addresses that open pages poll: 304 while a page has not changed, else its new content.

The content is made by the page's own view and templates, without the shell around it.
"""

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.cache import get_conditional_response
from django_q.models import Schedule

from audit_app.adminkit import disclosure
from backoffice_app.live import presence, revisions
from sessions_app.models import UserSession

# Replaces the shell of a page: see `admin/base_site.html`.
CONTENT_ONLY = "backoffice/live/content.html"


def attention_live(request: HttpRequest) -> HttpResponseBase:
    def page() -> TemplateResponse:
        return TemplateResponse(request, CONTENT_ONLY, {})

    return _answer(request, revisions.of_attention(), page)


def dashboard_live(request: HttpRequest) -> HttpResponseBase:
    return _answer(request, revisions.of_system(), lambda: admin.site.index(request))


def queue_live(request: HttpRequest) -> HttpResponseBase:
    model_admin = _permitted(request, Schedule)
    return _answer(request, revisions.of_system(), lambda: model_admin.changelist_view(request))


def session_live(request: HttpRequest, object_id: uuid.UUID) -> HttpResponseBase:
    model_admin = _permitted(request, UserSession)
    revision = session_revision(request, object_id)
    if revision is None:
        raise Http404
    return _answer(request, revision, lambda: model_admin.change_view(request, str(object_id)))


def session_revision(request: HttpRequest, session_uuid: uuid.UUID) -> str | None:
    """Return the revision of a session's page for this reader, who is seen as viewing it."""
    viewers = presence.others(session_uuid, request.user)
    return revisions.of_session(
        session_uuid, disclosure.is_revealed(request, [session_uuid]), viewers
    )


def _answer(
    request: HttpRequest, revision: str, page: Callable[[], HttpResponseBase]
) -> HttpResponseBase:
    if unchanged := get_conditional_response(request, etag=revision):
        return unchanged
    response = page()
    if isinstance(response, TemplateResponse):
        response.context_data = {**(response.context_data or {}), "shell": CONTENT_ONLY}
        response["ETag"] = revision
    return response


def _permitted(request: HttpRequest, model: type[Any]) -> Any:
    model_admin = _admin_of(model)
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    return model_admin


def _admin_of(model: type[Any]) -> Any:
    return admin.site.get_model_admin(model)

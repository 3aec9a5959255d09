"""The permanent address of a session by its support code, for links in ticket systems."""

from http import HTTPStatus

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from backoffice_app.search.lookups import view_permission
from backoffice_app.search.terms import as_code, readable
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import parse_support_code


@require_safe
def open_by_code(request: HttpRequest, code: str) -> HttpResponse:
    """Redirect to the page of the session with this support code, in any spelling."""
    if not request.user.has_perm(view_permission(UserSession)):
        raise PermissionDenied
    term = as_code(readable(code.removesuffix("/")))
    exact = parse_support_code(term)
    if session := UserSession.objects.filter(support_code=exact).first() if exact else None:
        return redirect("admin:sessions_app_usersession_change", session.pk)
    context = {**admin.site.each_context(request), "title": "Session not found", "term": term}
    return TemplateResponse(
        request, "backoffice/unknown_code.html", context, status=HTTPStatus.NOT_FOUND
    )

"""Sessions in the admin: found by UUID or support code, and revoked with a reason."""

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from audit_app.admin import ReadOnlyAdmin
from sessions_app import services
from sessions_app.exceptions import SessionNotActive
from sessions_app.models import SessionQuerySet, UserSession
from sessions_app.uuid_helpers import parse_support_code


class RevokeForm(forms.Form):
    """Why a session is revoked; colleagues read it in the session's history."""

    reason = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        help_text="For colleagues and for the audit log. Do not name or quote the visitor.",
    )


@admin.register(UserSession)
class UserSessionAdmin(ReadOnlyAdmin):
    list_display = ["support_code", "status", "created_at", "last_seen_at", "expires_at"]
    list_filter = ["status", "created_at"]
    search_fields = ["support_code"]
    search_help_text = "A support code (MAR-7F3-K2Q-X9H) or a whole session UUID."
    fields = [
        "support_code", "uuid", "status", "end_reason", "created_at", "last_seen_at",
        "used_at", "expires_at", "ended_at", "predecessor", "next_session",
    ]  # fmt: skip

    @admin.display(description="successor")
    def next_session(self, session: UserSession) -> str:
        successor = getattr(session, "successor", None)
        if successor is None:
            return "-"
        page = reverse("admin:sessions_app_usersession_change", args=[successor.pk])
        return format_html('<a href="{}">{}</a>', page, successor)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by an exact name only, so that the search is one index look-up on any number of rows."""
        assert isinstance(queryset, SessionQuerySet)
        if not search_term.strip():
            return queryset, False
        if code := parse_support_code(search_term):
            return queryset.filter(support_code=code), False
        try:
            return queryset.filter(uuid=uuid.UUID(search_term.strip())), False
        except ValueError:
            messages.warning(
                request,
                f"“{search_term}” is neither a session UUID nor a support code that checks out: "
                "ask for the code again, symbol by symbol.",
            )
            return queryset.none(), False

    def get_urls(self) -> list[URLPattern]:
        revoke = path(
            "<path:object_id>/revoke/",
            self.admin_site.admin_view(self.revoke_view),
            name="sessions_app_usersession_revoke",
        )
        return [revoke, *super().get_urls()]

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Say whether this staff member may revoke sessions."""
        return request.user.has_perm("sessions_app.revoke_usersession")

    def render_change_form(self, request: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["may_revoke"] = self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and revoke the session; say so if it ended in the meantime."""
        if not (self.has_revoke_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        session = get_object_or_404(UserSession, pk=_uuid_or_none(object_id))
        page = HttpResponseRedirect(
            reverse("admin:sessions_app_usersession_change", args=[session.pk])
        )
        form = RevokeForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                services.revoke_session(session=session, reason=form.cleaned_data["reason"])
            except SessionNotActive as error:
                messages.error(request, str(error.detail))
            else:
                messages.success(
                    request, f"{session} is revoked: its visitor is refused from now on."
                )
            return page
        return TemplateResponse(
            request,
            "admin/sessions_app/usersession/revoke.html",
            {
                **self.admin_site.each_context(request),
                "title": f"Revoke session {session}",
                "form": form,
                "original": session,
                "opts": self.opts,
            },
        )


def _uuid_or_none(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

"""The audit log in the admin: to read, never to change. And what every app's admin is built on."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from rest_framework.exceptions import APIException

from audit_app.models import AuditLog, AuditPersonal


class ReadOnlyAdmin(admin.ModelAdmin[Any]):
    """An admin that shows and never changes; whoever needs a change calls a service.

    Large tables stay quick: the list does not count what it does not show.
    """

    show_full_result_count = False
    list_per_page = 50
    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReasonForm(forms.Form):
    """Why a staff member acts; colleagues read it in the session's history."""

    reason = forms.CharField(
        max_length=200,
        widget=forms.TextInput(attrs={"class": "vTextField", "autofocus": True}),
        help_text="For colleagues and for the audit log. Do not name or quote the visitor.",
    )


class NotDone(Exception):
    """Why what a staff member asked for was not done, in a sentence."""


@dataclass(frozen=True)
class Action:
    """What staff may do to a row: who may, to which rows, what is asked, and what does it.

    `act` is called with the row and the reason, and returns what to tell the
    staff member; it raises NotDone or an APIException if it is too late.
    """

    name: str
    permission: str
    title: str
    explanation: str
    button: str
    fits: Callable[[Any], bool]
    act: Callable[[Any, str], str]


class ActingAdmin(ReadOnlyAdmin):
    """An admin whose pages offer actions; each has a page that asks for a reason first."""

    change_form_template = "admin/acting_change_form.html"
    row_actions: tuple[Action, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path(
                f"<path:object_id>/{action.name}/",
                self.admin_site.admin_view(partial(self.action_view, action)),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{action.name}",
            )
            for action in self.row_actions
        ]
        return [*pages, *super().get_urls()]

    def render_change_form(self, request: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["row_actions"] = [
            (f"admin:{self.opts.app_label}_{self.opts.model_name}_{action.name}", action.title)
            for action in self.row_actions
            if request.user.has_perm(action.permission) and action.fits(context["original"])
        ]
        return super().render_change_form(request, context, *args, **kwargs)

    def action_view(self, action: Action, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a reason and act; say so if it was too late."""
        if not (request.user.has_perm(action.permission) and self.has_view_permission(request)):
            raise PermissionDenied
        row = self.get_object(request, unquote(object_id))
        if row is None:
            raise Http404
        form = ReasonForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                messages.success(request, action.act(row, form.cleaned_data["reason"]))
            except (NotDone, APIException) as error:
                messages.error(request, str(error))
            page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return HttpResponseRedirect(reverse(page, args=[row.pk]))
        return TemplateResponse(
            request,
            "admin/act.html",
            {
                **self.admin_site.each_context(request),
                "title": f"{action.title}: {self.opts.verbose_name} {row}",
                "action": action,
                "form": form,
                "original": row,
                "opts": self.opts,
            },
        )


@admin.register(AuditLog)
class AuditLogAdmin(ReadOnlyAdmin):
    list_display = ["occurred_at", "event_type", "outcome", "actor", "session_uuid", "request_id"]
    list_filter = ["outcome", "event_type"]
    search_fields = ["=session_uuid", "=request_id", "=actor", "=target"]
    search_help_text = "A whole session UUID, request id, actor or target."
    date_hierarchy = "occurred_at"
    fields = [
        "occurred_at", "event_type", "outcome", "session_uuid", "target", "actor",
        "request_id", "network", "readable_details", "personal_part", "event_id",
    ]  # fmt: skip

    def get_fields(self, request: HttpRequest, obj: AuditLog | None = None) -> list[Any]:
        """Show the personal part only to who may view it."""
        fields = list(super().get_fields(request, obj))
        if not request.user.has_perm("audit_app.view_auditpersonal"):
            fields.remove("personal_part")
        return fields

    @admin.display(description="details")
    def readable_details(self, log: AuditLog) -> str:
        return json.dumps(log.details, indent=2)

    @admin.display(description="personal")
    def personal_part(self, log: AuditLog) -> str:
        part = AuditPersonal.objects.filter(log=log).first()
        return (
            json.dumps(part.values(), indent=2, ensure_ascii=False) if part else "erased, or none"
        )

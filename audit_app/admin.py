"""The audit log in the admin: read-only, with an export."""

import json
import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    StreamingHttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode

from audit_app import actors, events
from audit_app.adminkit.action_admin import ActionAdmin, copied
from audit_app.adminkit.reasons import ReasonForm
from audit_app.adminkit.sorts import newest_and_oldest
from audit_app.browser import LATEST_FIRST, AuditChangeList, AuditFilterForm
from audit_app.export import FORMATS, MAY_EXPORT, export, extent
from audit_app.models import AuditLog, AuditPersonal
from audit_app.seal.status import seal_in_words
from audit_app.sentences import sentence
from common.templatetags.console import copy, state_badge

_LIST = "admin:audit_app_auditlog_changelist"
_SESSION_PAGE = "admin:sessions_app_usersession_change"
_EXPORT_PRESETS = ("A regular audit", "An incident is investigated", "An authority requires it")


class AuditExportForm(ReasonForm):
    format = forms.ChoiceField(
        choices=[(name, kind.label) for name, kind in FORMATS.items()],
        initial="csv",
        widget=forms.RadioSelect,
    )
    field_order = ["format", "why", "reason"]


@admin.register(AuditLog)
class AuditLogAdmin(ActionAdmin):
    change_list_template = "admin/audit_app/auditlog/change_list.html"
    change_form_template = "admin/audit_app/auditlog/change_form.html"
    reveals = True
    ordering = [LATEST_FIRST]
    sorts = newest_and_oldest("occurred_at")
    list_display = ["occurred_at", "event", "outcome_chip", "who", "session", "request"]
    fields = [
        "event_type", "meaning", "occurred_at", "outcome_chip", "session", "shown_target", "who", "request", "network",
        "readable_details", "personal_part", "seal", "shown_id",
    ]  # fmt: skip

    shown_target = copied("target")
    shown_id = copied("event_id", "event id")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[AuditChangeList]:
        return AuditChangeList

    def sessions_of(self, row: AuditLog) -> list[uuid.UUID]:
        return [row.session_uuid] if row.session_uuid else []

    def render_change_form(self, request: Any, context: Any, *args: Any, **kwargs: Any) -> Any:
        context["headline"] = _sentence(context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        export_page = path(
            "export/",
            self.admin_site.admin_view(self.export_view),
            name="audit_app_auditlog_export",
        )
        return [export_page, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        may_export = request.user.has_perm(MAY_EXPORT)
        return super().changelist_view(request, {**(extra_context or {}), "may_export": may_export})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """Ask for a format and a reason, then send the events that match the query string."""
        if not (request.user.has_perm(MAY_EXPORT) and self.has_view_permission(request)):
            raise PermissionDenied
        filters = AuditFilterForm(request.GET)
        query = f"?{request.GET.urlencode()}"
        if not filters.is_valid():  # the list shows the errors
            return HttpResponseRedirect(reverse(_LIST) + query)
        form = AuditExportForm(request.POST or None, presets=_EXPORT_PRESETS)
        if request.method == "POST" and form.is_valid():
            return _file(filters, form.cleaned_data["format"], form.cleaned_data["reason"])
        return TemplateResponse(
            request,
            "admin/audit_app/auditlog/export.html",
            {
                **self.admin_site.each_context(request),
                "title": "Export audit events",
                "form": form,
                "extent": extent(filters),
                "selected_filters": list(filters.selected_filters()),
                "back": reverse(_LIST) + query,
                "opts": self.opts,
            },
        )

    @admin.display(description="event")
    def event(self, log: AuditLog) -> str:
        return format_html(
            '{}<span class="meaning"><code>{}</code></span>', _sentence(log), log.event_type
        )

    @admin.display(description="meaning")
    def meaning(self, log: AuditLog) -> str:
        return events.meaning(log.event_type)

    @admin.display(description="outcome")
    def outcome_chip(self, log: AuditLog) -> str:
        # Most events succeed: a badge on each would hide those that did not.
        return log.outcome if log.outcome == "success" else state_badge(log.outcome)

    @admin.display(description="actor")
    def who(self, log: AuditLog) -> str:
        return getattr(log, "actor_named", None) or actors.named(log.actor)

    @admin.display(description="session", empty_value="–")
    def session(self, log: AuditLog) -> str | None:
        if log.session_uuid is None:
            return None
        # The session's page belongs to an app above, which may be absent.
        try:
            page = reverse(_SESSION_PAGE, args=[log.session_uuid])
        except NoReverseMatch:
            return str(log.session_uuid)
        return _link(page, str(log.session_uuid), "session UUID")

    @admin.display(description="request", empty_value="–")
    def request(self, log: AuditLog) -> str | None:
        if not log.request_id:
            return None
        return _link(
            f"{reverse(_LIST)}?{urlencode({'request': log.request_id})}",
            log.request_id,
            "request id",
            "All events of this request",
        )

    @admin.display(description="details")
    def readable_details(self, log: AuditLog) -> str:
        return json.dumps(log.details, indent=2)

    @admin.display(description="seal")
    def seal(self, log: AuditLog) -> str:
        return seal_in_words(log)

    @admin.display(description="personal")
    def personal_part(self, log: AuditLog) -> str:
        part = AuditPersonal.objects.filter(log=log).first()
        if part is None:
            return "none, or erased"
        is_revealed = getattr(log, "is_revealed", False)
        values = part.values() if is_revealed else part.masked_values()
        return "\n".join(f"{name}: {value}" for name, value in values.items())


def _sentence(log: AuditLog) -> str:
    """Return the sentence of an event, with its file's name if this page may show it."""
    is_revealed = getattr(log, "is_revealed", None)
    part = getattr(log, "personal", None) if is_revealed is not None else None
    values = (part.values() if is_revealed else part.masked_values()) if part else {}
    # A list asks once for all its rows, and finds nobody if their accounts are deleted.
    people = log.people if hasattr(log, "people") else actors.people([log.actor])
    who = actors.subject(log.actor, people) or "The visitor"
    return sentence(log, who=who, file=values.get("file_name", ""))


def _link(address: str, whole: str, label: str, title: str = "") -> str:
    """Return a link whose title is the whole id, because lists show only its start; and a copy button."""
    return format_html(
        '<a href="{}" title="{}"><code>{}</code></a> {}',
        address,
        f"{title}: {whole}" if title else whole,
        whole,
        copy(whole, label),
    )


def _file(filters: AuditFilterForm, format_name: str, reason: str) -> StreamingHttpResponse:
    export_extent, text = export(filters, format_name=format_name, reason=reason)
    cut = f"-newest-{export_extent.rows}" if export_extent.is_cut else ""
    name = f"audit-events-{timezone.localtime():%Y%m%d-%H%M}{cut}.{format_name}"
    return StreamingHttpResponse(
        text,
        content_type=FORMATS[format_name].media_type,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Export-Rows": str(export_extent.rows),
            "X-Export-Cut": "yes" if export_extent.is_cut else "no",
        },
    )

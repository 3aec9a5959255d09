"""Uploads in the admin."""

import logging
import uuid
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from audit_app.adminkit import disclosure
from audit_app.adminkit.action_admin import copied, personal
from audit_app.adminkit.actions import Action
from audit_app.adminkit.list_actions import ListActionAdmin
from audit_app.adminkit.sorts import Sort, newest_and_oldest
from common.masking import mask_file_name
from common.templatetags.console import copy, state_badge
from uploads_app.admin import file_actions
from uploads_app.cleanup import explanation
from uploads_app.models import (
    Suspicion,
    UploadedFile,
    UploadStatus,
)
from uploads_app.services import transfer

logger = logging.getLogger(__name__)


class TypeFilter(admin.SimpleListFilter):
    """The known types. The types in use would need a scan of the table."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return list(file_actions.TYPE_NAMES.items())

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(content_type=self.value()) if self.value() else queryset


class ArrivedFilter(admin.SimpleListFilter):
    """Files that were stored completely at some time. That is nearly all, so it needs no index."""

    title = "arrival"
    parameter_name = "arrived"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("whole", "Stored completely")]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(stored_at__isnull=False) if self.value() else queryset


@admin.register(UploadedFile)
class UploadedFileAdmin(ListActionAdmin):
    change_form_template = "admin/uploads_app/uploadedfile/change_form.html"
    row_actions = file_actions.ACTIONS
    reveals = True
    sorts = (
        *newest_and_oldest("created_at"),
        Sort("-size", "Largest first", {"status__exact": UploadStatus.STORED.value}),
    )
    list_display = [
        "shown_name", "state", "inspection", "shown_size", "shown_type", "shown_session", "created_at",
    ]  # fmt: skip
    list_filter = ["status", "inspection", TypeFilter, ArrivedFilter, "created_at"]
    list_select_related = ["session"]
    file_id = copied("id")
    hash = copied("sha256", "SHA-256")
    object_key = copied("key")
    shown_name = personal("name", mask_file_name)
    fieldsets = [
        (None, {"fields": [
            "shown_name", "state", "meaning", "shown_session", "came_from", "transferred_to", "exact_size",
            "content_type",
        ]}),
        ("Inspection", {"fields": ["inspection", "found_inside", "inspected_at"]}),
        ("Times", {"fields": [
            "created_at", "lease_expires_at", "stored_at", "deleted_at", "delete_reason",
        ]}),
        ("In the store", {"fields": ["file_id", "hash", "object_key"]}),
    ]  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        silent = file_actions.silent_fields(obj) if obj else set()
        return [
            (title, {"fields": [name for name in options["fields"] if name not in silent]})
            for title, options in self.fieldsets
        ]

    def sessions_of(self, row: UploadedFile) -> list[uuid.UUID]:
        return [row.session_id]

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "<path:object_id>/explain/",
            self.admin_site.admin_view(self.explain_view),
            name="uploads_app_uploadedfile_explain",
        )
        return [page, *super().get_urls()]

    def action_view(self, action: Action, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Show the page of an action; the page of a transfer also shows the target session."""
        if action.name != "give" or not request.user.has_perm(action.permission):
            return super().action_view(action, request, object_id)
        upload = self._shown(request, object_id)
        transfer_target = file_actions.TransferTarget(upload, request.GET.get("to", "").strip())
        response: HttpResponseBase
        if transfer_target.target:
            response = super().action_view(transfer_target.action(action), request, object_id)
        else:
            shown = {**self._page(request, upload, action.title), "action": action}
            response = TemplateResponse(request, "", shown)
        if isinstance(response, TemplateResponse):
            seen = [session.pk for _, session, _ in transfer_target.sessions]
            disclosure.record_view(session_uuids=seen, page="uploadedfile")
            response.template_name = "admin/uploads_app/uploadedfile/give.html"
            response.context_data = {
                **(response.context_data or {}),
                "transfer_target": transfer_target,
            }
        return response

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Explain the state of an object. A page of its own, because the store may be slow."""
        upload = self._shown(request, object_id)
        disclosure.record_view(session_uuids=self.sessions_of(upload), page="uploadedfile")
        shown = self._page(request, upload, "Explain")
        try:
            explained = explanation.explain(upload.key)
        except OSError as error:
            logger.warning("The store did not describe %s: %s", upload.key, error)
        else:
            shown |= {
                "explained": explained,
                "facts": file_actions.facts(explained),
                "history": file_actions.history(explained),
            }
        return TemplateResponse(request, "admin/uploads_app/uploadedfile/explain.html", shown)

    def _shown(self, request: HttpRequest, object_id: str) -> UploadedFile:
        """Return a file; raises PermissionDenied or Http404."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        upload = self.get_object(request, unquote(object_id))
        if upload is None:
            raise Http404
        assert isinstance(upload, UploadedFile)
        return upload

    def _page(self, request: HttpRequest, upload: UploadedFile, title: str) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": f"{title}: {self.opts.verbose_name} {upload}",
            "original": upload,
            "opts": self.opts,
        }

    @admin.display(description="state")
    def state(self, upload: UploadedFile) -> str:
        return state_badge(upload.status, upload.get_status_display())

    @admin.display(description="meaning")
    def meaning(self, upload: UploadedFile) -> str:
        return file_actions.meaning(upload)

    @admin.display(description="size")
    def shown_size(self, upload: UploadedFile) -> str:
        return filesizeformat(upload.size)

    @admin.display(description="size")
    def exact_size(self, upload: UploadedFile) -> str:
        exact = f"{upload.size:,} bytes"
        return exact if upload.size < 1024 else f"{filesizeformat(upload.size)} ({exact})"

    @admin.display(description="type")
    def shown_type(self, upload: UploadedFile) -> str:
        return file_actions.TYPE_NAMES.get(upload.content_type, upload.content_type)

    @admin.display(description="session")
    def shown_session(self, upload: UploadedFile) -> str:
        session = upload.session
        page = reverse("admin:sessions_app_usersession_change", args=[session.pk])
        state = file_actions.session_in_words(session)
        button = copy(session.support_code, "support code")
        return format_html('<a href="{}">{}</a> ({}) {}', page, session, state, button)

    @admin.display(description="transferred from")
    def came_from(self, upload: UploadedFile) -> str:
        return _link_to_file(upload.restored_from)

    @admin.display(description="transferred to")
    def transferred_to(self, upload: UploadedFile) -> str:
        return _link_to_file(transfer.live_copy(upload=upload))

    @admin.display(description="findings")
    def found_inside(self, upload: UploadedFile) -> str:
        words = dict(Suspicion.choices)
        return "\n".join(f"The file {words.get(name, name)}." for name in upload.suspicions) or "-"


def _link_to_file(upload: UploadedFile | None) -> str:
    if upload is None:
        return "-"
    page = reverse("admin:uploads_app_uploadedfile_change", args=[upload.pk])
    return format_html('<a href="{}">file of {}</a>', page, upload.session)

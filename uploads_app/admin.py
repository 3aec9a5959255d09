"""Files, cleanup runs and the quarantine in the admin: to read, and to give objects back."""

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from rest_framework.exceptions import APIException

from audit_app.admin import ReadOnlyAdmin
from uploads_app import explanation, quarantine
from uploads_app.models import CleanupRun, QuarantinedObject, QuarantineQuerySet, UploadedFile


@admin.register(UploadedFile)
class UploadedFileAdmin(ReadOnlyAdmin):
    list_display = ["name", "status", "size", "content_type", "session", "created_at"]
    list_filter = ["status", "content_type", "created_at"]
    list_select_related = ["session"]
    search_fields = ["=id", "=sha256", "=session__support_code"]
    search_help_text = "A whole file id, SHA-256 or support code."
    fields = [
        "name", "status", "session", "size", "content_type", "sha256", "key", "id",
        "created_at", "lease_expires_at", "stored_at", "deleted_at", "delete_reason",
    ]  # fmt: skip


@admin.register(CleanupRun)
class CleanupRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "status", "dry_run", "actor", "removed", "errors", "stop_code"]
    list_filter = ["status", "dry_run"]
    fields = [
        "status", "stop_code", "stop_sentence", "dry_run", "actor", "started_at", "finished_at",
        "duration", "objects_seen", "rows_seen", "rate", "removed", "bytes_removed", "quarantined",
        "purged", "errors", "found", "first_findings", "grace", "limit", "allow_share", "continued",
        "generation",
    ]  # fmt: skip

    @admin.display(description="took")
    def duration(self, run: CleanupRun) -> str:
        return f"{run.seconds:.1f} s" if run.finished_at else f"{run.seconds:.1f} s until now"

    @admin.display(description="looked at in a second")
    def rate(self, run: CleanupRun) -> float:
        return run.rate

    @admin.display(description="found")
    def found(self, run: CleanupRun) -> str:
        return "\n".join(f"{count} {kind}" for kind, count in run.findings.items()) or "nothing"

    @admin.display(description="first findings")
    def first_findings(self, run: CleanupRun) -> str:
        return json.dumps(run.sample, indent=2)


@admin.register(QuarantinedObject)
class QuarantinedObjectAdmin(ReadOnlyAdmin):
    list_display = ["key", "status", "reason", "size", "quarantined_at", "changed_at"]
    list_filter = ["status", "reason"]
    search_fields = ["key__startswith"]
    search_help_text = "The beginning of an object's key: uploads/, then the session's UUID."
    fields = [
        "key", "status", "reason", "size", "modified_at", "quarantined_at", "changed_at", "explained",
    ]  # fmt: skip
    actions = ["give_back"]

    @admin.display(description="what is known of it")
    def explained(self, stray: QuarantinedObject) -> str:
        try:
            return "\n".join(explanation.explain(stray.key).lines())
        except OSError:
            return "The store does not answer, so its evidence is missing. Try again soon."

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("uploads_app.restore_quarantinedobject")

    @admin.action(description="Give back to where they were", permissions=["restore"])
    def give_back(self, request: HttpRequest, strays: QuarantineQuerySet) -> HttpResponse | None:
        """Ask, then give each of the chosen objects back."""
        if not request.POST.get("agreed"):
            return TemplateResponse(
                request,
                "admin/uploads_app/quarantinedobject/give_back.html",
                {
                    **self.admin_site.each_context(request),
                    "title": "Give objects back from quarantine",
                    "opts": self.opts,
                    "strays": strays,
                    "checkbox": ACTION_CHECKBOX_NAME,
                },
            )
        for stray in strays:
            self._give_back(request, stray)
        return None

    def _give_back(self, request: Any, stray: QuarantinedObject) -> None:
        try:
            quarantine.restore_object(key=stray.key)
        except APIException as error:
            messages.error(request, f"Not given back: {stray.key}. {error.detail}")
        else:
            messages.success(request, f"Given back: {stray.key}. The cleanup leaves it alone.")

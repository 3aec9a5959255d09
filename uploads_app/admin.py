"""Files and cleanup runs in the admin, to read."""

import json

from django.contrib import admin

from audit_app.admin import ReadOnlyAdmin
from uploads_app.models import CleanupRun, UploadedFile


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
        "objects_seen", "rows_seen", "removed", "bytes_removed", "errors", "found", "first_findings",
        "grace", "limit", "generation",
    ]  # fmt: skip

    @admin.display(description="found")
    def found(self, run: CleanupRun) -> str:
        return "\n".join(f"{count} {kind}" for kind, count in run.findings.items()) or "nothing"

    @admin.display(description="first findings")
    def first_findings(self, run: CleanupRun) -> str:
        return json.dumps(run.sample, indent=2)

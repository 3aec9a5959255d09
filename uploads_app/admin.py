"""Files and cleanup runs in the admin; the only change is to put a file out of reach and back."""

import json

from django.contrib import admin

from audit_app.admin import ActingAdmin, Action, NotDone, ReadOnlyAdmin
from uploads_app import services
from uploads_app.models import CleanupRun, Status, Suspicion, UploadedFile


def _quarantine(upload: UploadedFile, reason: str) -> str:
    if not services.quarantine_upload(upload=upload, reason=reason):
        raise NotDone("This file is not stored any more, so nothing was done.")
    return f"{upload} is in quarantine: nobody can download it."


def _restore(upload: UploadedFile, reason: str) -> str:
    if not services.restore_upload(upload=upload, reason=reason):
        raise NotDone("This file is not in quarantine any more, so nothing was done.")
    return f"{upload} is given back to its session."


_ACTIONS = (
    Action(
        name="quarantine",
        permission="uploads_app.quarantine_uploadedfile",
        title="Quarantine",
        explanation="Neither the visitor nor a service can download the file from now on. The "
        "visitor still sees it, can still delete it, and it takes its part of the quota. It can "
        "be given back.",
        button="Put this file in quarantine",
        fits=lambda upload: upload.status == Status.STORED,
        act=_quarantine,
    ),
    Action(
        name="restore",
        permission="uploads_app.quarantine_uploadedfile",
        title="Give back",
        explanation="The visitor and services can download the file again, unless what is found "
        "inside holds it back (HOLD_DOWNLOADS).",
        button="Give this file back",
        fits=lambda upload: upload.status == Status.QUARANTINED,
        act=_restore,
    ),
)


@admin.register(UploadedFile)
class UploadedFileAdmin(ActingAdmin):
    row_actions = _ACTIONS
    list_display = ["name", "status", "inspection", "size", "content_type", "session", "created_at"]
    list_filter = ["status", "inspection", "content_type", "created_at"]
    list_select_related = ["session"]
    search_fields = ["=id", "=sha256", "=session__support_code"]
    search_help_text = "A whole file id, SHA-256 or support code."
    fields = [
        "name", "status", "inspection", "found_inside", "inspected_at", "session", "size", "content_type", "sha256", "key", "id",
        "created_at", "lease_expires_at", "stored_at", "deleted_at", "delete_reason",
    ]  # fmt: skip

    @admin.display(description="found inside")
    def found_inside(self, upload: UploadedFile) -> str:
        words = dict(Suspicion.choices)
        return "\n".join(f"It {words.get(name, name)}." for name in upload.suspicions) or "-"


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

"""Files, cleanup runs and the quarantine in the admin: to read, and to ask for what services do."""

import json
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django_q.tasks import async_task

from audit_app import context
from audit_app.desk import ActingAdmin, Action, Asked, NotDone, ReadOnlyAdmin, personal
from audit_app.masking import mask_file_name
from uploads_app import explanation, quarantine, services
from uploads_app.models import (
    CleanupRun,
    QuarantinedObject,
    QuarantineQuerySet,
    Status,
    Suspicion,
    UploadedFile,
)
from uploads_app.stop_codes import what_to_do


def _quarantine(upload: UploadedFile, asked: Asked) -> str:
    if not services.quarantine_upload(upload=upload, reason=asked.reason):
        raise NotDone("This file is not stored any more, so nothing was done.")
    return f"{upload} is in quarantine: nobody can download it."


def _restore(upload: UploadedFile, asked: Asked) -> str:
    if not services.restore_upload(upload=upload, reason=asked.reason):
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
    reveals = True
    list_display = [
        "shown_name", "status", "inspection", "size", "content_type", "session", "created_at",
    ]  # fmt: skip
    list_filter = ["status", "inspection", "created_at"]
    list_select_related = ["session"]
    shown_name = personal("name", mask_file_name)
    fields = [
        "shown_name", "status", "inspection", "found_inside", "inspected_at", "session", "size", "content_type", "sha256", "key", "id",
        "created_at", "lease_expires_at", "stored_at", "deleted_at", "delete_reason",
    ]  # fmt: skip

    def sessions_of(self, row: UploadedFile) -> list[uuid.UUID]:
        return [row.session_id]

    @admin.display(description="found inside")
    def found_inside(self, upload: UploadedFile) -> str:
        words = dict(Suspicion.choices)
        return "\n".join(f"It {words.get(name, name)}." for name in upload.suspicions) or "-"


@dataclass(frozen=True)
class RunNow:
    """A run that staff may ask for: who may, what is asked, and whether it only looks."""

    name: str
    permission: str
    title: str
    explanation: str
    button: str
    dry_run: bool


RUNS_NOW = (
    RunNow(
        "preview",
        "uploads_app.preview_cleanup",
        "Run now (dry)",
        "The worker looks through the whole store and writes down what a run would do now. "
        "Nothing is removed.",
        "Look now",
        dry_run=True,
    ),
    RunNow(
        "run",
        "uploads_app.run_cleanup",
        "Run now",
        "The worker does at once what the schedule does: it removes files that should be gone. If "
        "another run is under way then, this one is skipped and leaves no trace in the list.",
        "Clean up now",
        dry_run=False,
    ),
)


@admin.register(CleanupRun)
class CleanupRunAdmin(ReadOnlyAdmin):
    list_display = ["started_at", "status", "dry_run", "actor", "removed", "errors", "stop_code"]
    list_filter = ["status", "dry_run"]
    fields = [
        "status", "stop_code", "stop_sentence", "what_to_do", "dry_run", "actor", "started_at",
        "finished_at",
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

    def get_urls(self) -> list[URLPattern]:
        runs = [
            path(
                f"{run_now.name}/",
                self.admin_site.admin_view(partial(self.run_now_view, run_now)),
                name=f"uploads_app_cleanuprun_{run_now.name}",
            )
            for run_now in RUNS_NOW
        ]
        return [*runs, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        runs = [run_now for run_now in RUNS_NOW if self._may(request, run_now)]
        return super().changelist_view(request, {**(extra_context or {}), "runs_now": runs})

    def run_now_view(self, run_now: RunNow, request: HttpRequest) -> HttpResponse:
        """Ask, and put a run into the queue in the name of who asked."""
        if not self._may(request, run_now):
            raise PermissionDenied
        runs = reverse("admin:uploads_app_cleanuprun_changelist")
        if request.method == "POST":
            async_task(
                "uploads_app.tasks.cleanup_orphans_for",
                request.user.pk,
                run_now.dry_run,
                context.current().request_id,
            )
            messages.success(
                request, "Queued: the run is listed here when it is done. Load the page again then."
            )
            return HttpResponseRedirect(runs)
        return TemplateResponse(
            request,
            "admin/uploads_app/cleanuprun/run_now.html",
            {
                **self.admin_site.each_context(request),
                "title": run_now.title,
                "run_now": run_now,
                "back": runs,
                "opts": self.opts,
            },
        )

    def _may(self, request: HttpRequest, run_now: RunNow) -> bool:
        return request.user.has_perm(run_now.permission) and self.has_view_permission(request)

    @admin.display(description="what to do")
    def what_to_do(self, run: CleanupRun) -> str:
        return what_to_do(run.stop_code) or "-"

    @admin.display(description="found")
    def found(self, run: CleanupRun) -> str:
        return "\n".join(f"{count} {kind}" for kind, count in run.findings.items()) or "nothing"

    @admin.display(description="first findings")
    def first_findings(self, run: CleanupRun) -> str:
        return json.dumps(run.sample, indent=2)


# Why an object was put aside or removed, in words.
_REASONS = {
    "no_row": "no row explains it",
    "file_deleted": "it arrived after its file was deleted",
    "file_lapsed": "it arrived after its upload was given up",
    "file_rejected": "it arrived after its file was refused",
    "session_erased": "its session was erased",
    "quarantine_over": "its time in quarantine was over",
    "gone": "it vanished while it was being moved",
}


class WhyFilter(admin.SimpleListFilter):
    """Why objects are there, of the reasons that are known; asking the rows would read them all."""

    title = "why"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_REASONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(QuarantinedObject)
class QuarantinedObjectAdmin(ReadOnlyAdmin):
    list_display = ["key", "status", "why", "size", "quarantined_at", "changed_at"]
    list_filter = ["status", WhyFilter]
    search_fields = ["key__startswith"]
    search_help_text = "The beginning of an object's key: uploads/, then the session's UUID."
    fields = [
        "key", "status", "why", "size", "modified_at", "quarantined_at", "changed_at", "explained",
    ]  # fmt: skip
    actions = ["give_back"]

    @admin.display(description="why")
    def why(self, stray: QuarantinedObject) -> str:
        return _REASONS.get(stray.reason, stray.reason)

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
        except quarantine.NotRestored as reason:
            messages.error(request, f"Not given back: {stray.key}. {reason}")
        else:
            messages.success(request, f"Given back: {stray.key}. The cleanup leaves it alone.")

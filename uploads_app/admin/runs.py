"""Cleanup runs in the admin, and two buttons that queue one."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django_q.tasks import async_task

from audit_app.adminkit.read_only import ReadOnlyAdmin
from common import context
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.models import (
    CleanupRun,
)


@dataclass(frozen=True)
class RunNow:
    """A cleanup run that staff can start."""

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
        "The worker scans the whole store and records what a run would do now. It deletes nothing.",
        "Start a dry run",
        dry_run=True,
    ),
    RunNow(
        "run",
        "uploads_app.run_cleanup",
        "Run now",
        "The worker starts the cleanup now instead of at its next scheduled time. If another "
        "run is in progress, this one is skipped and does not appear in the list.",
        "Start a run",
        dry_run=False,
    ),
)


@admin.register(CleanupRun)
class CleanupRunAdmin(ReadOnlyAdmin):
    change_list_template = "admin/uploads_app/cleanuprun/change_list.html"
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

    @admin.display(description="scanned per second")
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
        """Ask for confirmation, then queue a run in the name of the staff member."""
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
                request, "Queued. The run is listed here when it has ended. Reload the page then."
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
        return json.dumps(run.sample, indent=2) if run.sample else "nothing"

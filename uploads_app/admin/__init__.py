"""Files, cleanup runs and the quarantine in the admin: to read, and to ask for what services do."""

import json
import logging
import re
import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django_q.tasks import async_task

from audit_app.adminkit import disclosure
from audit_app.adminkit.action_admin import ActionAdmin, personal
from audit_app.adminkit.actions import Action
from audit_app.adminkit.read_only import ReadOnlyAdmin
from common import context
from common.masking import mask_file_name
from uploads_app.admin import file_actions
from uploads_app.cleanup import explanation, trash
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.models import (
    CleanupRun,
    QuarantinedObject,
    Suspicion,
    TrashQuerySet,
    UploadedFile,
)
from uploads_app.services import transfer

logger = logging.getLogger(__name__)


class TypeFilter(admin.SimpleListFilter):
    """One of the types that are known: to ask the table which it holds would read all of it."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return list(file_actions.TYPE_NAMES.items())

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(content_type=self.value()) if self.value() else queryset


class ArrivedFilter(admin.SimpleListFilter):
    """Files that arrived whole, whatever became of them: nearly all, so that no index is needed."""

    title = "arrival"
    parameter_name = "arrived"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, str]]:
        return [("whole", "Arrived whole")]

    def queryset(self, request: Any, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(stored_at__isnull=False) if self.value() else queryset


@admin.register(UploadedFile)
class UploadedFileAdmin(ActionAdmin):
    change_form_template = "admin/uploads_app/uploadedfile/change_form.html"
    row_actions = file_actions.ACTIONS
    reveals = True
    list_display = [
        "shown_name", "state", "inspection", "shown_size", "shown_type", "shown_session", "created_at",
    ]  # fmt: skip
    list_filter = ["status", "inspection", TypeFilter, ArrivedFilter, "created_at"]
    list_select_related = ["session"]
    shown_name = personal("name", mask_file_name)
    fieldsets = [
        (None, {"fields": [
            "shown_name", "state", "meaning", "shown_session", "came_from", "transferred_to", "exact_size",
            "content_type",
        ]}),
        ("Look inside", {"fields": ["inspection", "found_inside", "inspected_at"]}),
        ("When", {"fields": [
            "created_at", "lease_expires_at", "stored_at", "deleted_at", "delete_reason",
        ]}),
        ("In storage", {"fields": ["id", "sha256", "key"]}),
    ]  # fmt: skip

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out what there is nothing to say of."""
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
        """As every action's page; that which gives a file on also says to which session."""
        if action.name != "give" or not request.user.has_perm(action.permission):
            return super().action_view(action, request, object_id)
        upload = self._shown(request, object_id)
        giving = file_actions.TransferTarget(upload, request.GET.get("to", "").strip())
        response: HttpResponseBase
        if giving.target:
            response = super().action_view(giving.action(action), request, object_id)
        else:
            shown = {**self._page(request, upload, action.title), "action": action}
            response = TemplateResponse(request, "", shown)
        if isinstance(response, TemplateResponse):
            seen = [session.pk for _, session, _ in giving.sessions]
            disclosure.record_view(session_uuids=seen, page="uploadedfile")
            response.template_name = "admin/uploads_app/uploadedfile/give.html"
            response.context_data = {**(response.context_data or {}), "giving": giving}
        return response

    def explain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Say what is known of a file's object; a page of its own, because a store may take its time."""
        upload = self._shown(request, object_id)
        disclosure.record_view(session_uuids=self.sessions_of(upload), page="uploadedfile")
        shown = self._page(request, upload, "Explain")
        try:
            explained = explanation.explain(upload.key)
        except OSError:
            logger.exception("storage did not tell of %s", upload.key)
        else:
            shown |= {
                "explained": explained,
                "facts": file_actions.facts(explained),
                "history": file_actions.history(explained),
            }
        return TemplateResponse(request, "admin/uploads_app/uploadedfile/explain.html", shown)

    def _shown(self, request: HttpRequest, object_id: str) -> UploadedFile:
        """Return a file that the staff member may see."""
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
        return format_html(
            '<span class="state state-{}">{}</span>', upload.status, upload.get_status_display()
        )

    @admin.display(description="what that means")
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
        return format_html('<a href="{}">{}</a> ({})', page, session, state)

    @admin.display(description="it came from")
    def came_from(self, upload: UploadedFile) -> str:
        return _link_to_file(upload.restored_from)

    @admin.display(description="it was given to")
    def transferred_to(self, upload: UploadedFile) -> str:
        return _link_to_file(transfer.living_copy(upload=upload))

    @admin.display(description="found inside")
    def found_inside(self, upload: UploadedFile) -> str:
        words = dict(Suspicion.choices)
        return "\n".join(f"It {words.get(name, name)}." for name in upload.suspicions) or "-"


def _link_to_file(upload: UploadedFile | None) -> str:
    if upload is None:
        return "-"
    page = reverse("admin:uploads_app_uploadedfile_change", args=[upload.pk])
    return format_html('<a href="{}">the file of {}</a>', page, upload.session)


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
        return json.dumps(run.sample, indent=2) if run.sample else "nothing"


# At most so many objects are given back at once. More than so few must be confirmed by their
# number, and are left to the worker: a store that is slow would hold up the request.
MOST_AT_ONCE = 500
WITHOUT_TYPING = 20
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
    def why(self, trash_item: QuarantinedObject) -> str:
        return _REASONS.get(trash_item.reason, trash_item.reason)

    @admin.display(description="what is known of it")
    def explained(self, trash_item: QuarantinedObject) -> str:
        try:
            return "\n".join(explanation.explain(trash_item.key).lines())
        except OSError:
            return "The store does not answer, so its evidence is missing. Try again soon."

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("uploads_app.restore_quarantinedobject")

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "give_back/",
            self.admin_site.admin_view(self.give_back_view),
            name="uploads_app_quarantinedobject_give_back",
        )
        return [page, *super().get_urls()]

    @admin.action(description="Give back to where they were", permissions=["restore"])
    def give_back(self, request: HttpRequest, trash_items: TrashQuerySet) -> HttpResponse | None:
        """Ask whether the chosen objects are to be given back."""
        chosen = list(trash_items[: MOST_AT_ONCE + 1])
        if len(chosen) <= MOST_AT_ONCE:
            return self._ask(request, chosen)
        messages.error(
            request,
            f"Nothing was done: at most {MOST_AT_ONCE} objects can be given back at once. Narrow "
            "the list, for example to one session, or let an operator use restore_orphans.",
        )
        return None

    def give_back_view(self, request: HttpRequest) -> HttpResponse:
        """Give the chosen objects back: a few at once, many by the worker."""
        if not (self.has_restore_permission(request) and self.has_view_permission(request)):
            raise PermissionDenied
        numbers = re.findall(r"\d{1,18}", request.POST.get("chosen", ""))[:MOST_AT_ONCE]
        chosen = list(QuarantinedObject.objects.filter(pk__in=numbers).order_by("key"))
        if chosen:
            if len(chosen) > WITHOUT_TYPING and request.POST.get("typed") != str(len(chosen)):
                return self._ask(request, chosen, is_wrong=True)
            self._give_back(request, [trash_item.key for trash_item in chosen])
        return HttpResponseRedirect(reverse("admin:uploads_app_quarantinedobject_changelist"))

    def _ask(
        self, request: HttpRequest, chosen: list[QuarantinedObject], *, is_wrong: bool = False
    ) -> HttpResponse:
        return TemplateResponse(
            request,
            "admin/uploads_app/quarantinedobject/give_back.html",
            {
                **self.admin_site.each_context(request),
                "title": "Give objects back from quarantine",
                "back": reverse("admin:uploads_app_quarantinedobject_changelist"),
                "opts": self.opts,
                "trash_items": chosen,
                "must_type": len(chosen) > WITHOUT_TYPING,
                "is_wrong": is_wrong,
            },
        )

    def _give_back(self, request: Any, keys: list[str]) -> None:
        if len(keys) > WITHOUT_TYPING:
            request_id = context.current().request_id
            async_task("uploads_app.tasks.give_back_for", request.user.pk, keys, request_id)
            messages.success(
                request,
                f"Queued: {len(keys)} objects. Load the page again soon; their state tells which "
                "are back.",
            )
            return
        given = trash.restore_objects(keys=keys)
        for key in given.keys:
            messages.success(request, f"Given back: {key}. The cleanup leaves it alone.")
        for key, why in given.refused.items():
            messages.error(request, f"Not given back: {key}. {why}")
        if left := len(keys) - len(given.keys) - len(given.refused):
            messages.error(request, f"{left} more were not tried, because the store failed.")

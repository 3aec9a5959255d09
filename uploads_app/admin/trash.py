"""Objects in the trash of the cleanup, and their restoration by staff."""

import re
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django_q.tasks import async_task

from audit_app.adminkit.action_admin import copied
from audit_app.adminkit.read_only import ReadOnlyAdmin
from common import context
from uploads_app.cleanup import explanation
from uploads_app.cleanup.trash import restore_objects
from uploads_app.models import (
    QuarantinedObject,
    TrashQuerySet,
)

# The maximum number of objects in one request. More than WITHOUT_TYPING must be confirmed by
# typing their number, and are restored by the worker, because the store may be slow.
MOST_AT_ONCE = 500


WITHOUT_TYPING = 20


_REASONS = {
    "no_row": "there is no row for it",
    "file_deleted": "it arrived after its file was deleted",
    "file_lapsed": "its upload lapsed",
    "file_rejected": "it arrived after its file was refused",
    "session_erased": "its session was erased",
    "quarantine_over": "its retention in the trash was over",
    "gone": "it disappeared during the move",
}


class WhyFilter(admin.SimpleListFilter):
    """The known reasons. The reasons in use would need a scan of the table."""

    title = "why"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(_REASONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(QuarantinedObject)
class QuarantinedObjectAdmin(ReadOnlyAdmin):
    object_key = copied("key")
    list_display = ["object_key", "status", "why", "size", "quarantined_at", "changed_at"]
    list_filter = ["status", WhyFilter]
    search_fields = ["key__startswith"]
    search_help_text = "The start of a key: uploads/ and the session UUID."
    fields = [
        "object_key", "status", "why", "size", "modified_at", "quarantined_at", "changed_at", "actor",
        "explained",
    ]  # fmt: skip
    actions = ["give_back"]

    @admin.display(description="why")
    def why(self, trash_item: QuarantinedObject) -> str:
        return _REASONS.get(trash_item.reason, trash_item.reason)

    @admin.display(description="explanation")
    def explained(self, trash_item: QuarantinedObject) -> str:
        try:
            return "\n".join(explanation.explain(trash_item.key).lines())
        except OSError:
            return "The store does not respond. Try again soon."

    def has_restore_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("uploads_app.restore_quarantinedobject")

    def get_urls(self) -> list[URLPattern]:
        page = path(
            "give_back/",
            self.admin_site.admin_view(self.give_back_view),
            name="uploads_app_quarantinedobject_give_back",
        )
        return [page, *super().get_urls()]

    @admin.action(description="Restore selected objects", permissions=["restore"])
    def give_back(self, request: HttpRequest, trash_items: TrashQuerySet) -> HttpResponse | None:
        """Ask for confirmation."""
        chosen = list(trash_items[: MOST_AT_ONCE + 1])
        if len(chosen) <= MOST_AT_ONCE:
            return self._ask(request, chosen)
        messages.error(
            request,
            f"Nothing was restored: the limit is {MOST_AT_ONCE} objects at once. Filter the list, "
            "for example by one session, or ask an operator to run restore_orphans.",
        )
        return None

    def give_back_view(self, request: HttpRequest) -> HttpResponse:
        """Restore the selected objects: a few at once, many in the worker."""
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
                "title": "Restore objects from the trash",
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
                f"Queued: {len(keys)} objects. Reload the page soon to see which are restored.",
            )
            return
        given = restore_objects(keys=keys)
        for key in given.keys:
            messages.success(request, f"Restored: {key}. The cleanup will ignore it.")
        for key, why in given.refused.items():
            messages.error(request, f"Not restored: {key}. {why}")
        if left := len(keys) - len(given.keys) - len(given.refused):
            messages.error(request, f"{left} more were not restored, because the store failed.")

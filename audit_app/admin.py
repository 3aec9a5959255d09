"""The audit log in the admin: to read, never to change."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

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

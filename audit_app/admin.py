"""The audit log in the admin: to read, never to change."""

import json
import uuid

from django.contrib import admin

from audit_app.desk import ActingAdmin
from audit_app.models import AuditLog, AuditPersonal


@admin.register(AuditLog)
class AuditLogAdmin(ActingAdmin):
    reveals = True
    list_display = ["occurred_at", "event_type", "outcome", "actor", "session_uuid", "request_id"]
    list_filter = ["outcome", "event_type"]
    search_fields = ["=session_uuid", "=request_id", "=actor", "=target"]
    search_help_text = "A whole session UUID, request id, actor or target."
    date_hierarchy = "occurred_at"
    fields = [
        "occurred_at", "event_type", "outcome", "session_uuid", "target", "actor",
        "request_id", "network", "readable_details", "personal_part", "event_id",
    ]  # fmt: skip

    def sessions_of(self, row: AuditLog) -> list[uuid.UUID]:
        return [row.session_uuid] if row.session_uuid else []

    @admin.display(description="details")
    def readable_details(self, log: AuditLog) -> str:
        return json.dumps(log.details, indent=2)

    @admin.display(description="personal")
    def personal_part(self, log: AuditLog) -> str:
        part = AuditPersonal.objects.filter(log=log).first()
        if part is None:
            return "erased, or none"
        is_revealed = getattr(log, "is_revealed", False)
        values = part.values() if is_revealed else part.masked_values()
        return "\n".join(f"{name}: {value}" for name, value in values.items())

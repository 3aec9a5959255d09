"""Audit events in the API. Personal parts are shown in the admin only."""

from typing import Any

from rest_framework import serializers

from audit_app.models import AuditLog


class AuditLogSerializer(serializers.ModelSerializer[AuditLog]):
    """An audit event, without its personal part."""

    details = serializers.SerializerMethodField()

    class Meta:
        model = AuditLog
        fields = [
            "id",
            "event_id",
            "occurred_at",
            "event_type",
            "outcome",
            "session_uuid",
            "target",
            "actor",
            "request_id",
            "network",
            "details",
        ]

    def get_details(self, log: AuditLog) -> dict[str, Any]:
        """The keys that the event's type allows."""
        return log.details

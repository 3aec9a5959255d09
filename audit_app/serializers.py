"""What staff read of an audit row. Personal parts stay in the admin."""

from typing import Any

from rest_framework import serializers

from audit_app.models import AuditLog


class AuditLogSerializer(serializers.ModelSerializer[AuditLog]):
    """One event: when, what, how it ended, about what, by whom, from where."""

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
        """Return the keys that this event's type allows."""
        return log.details

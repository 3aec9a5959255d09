"""How staff narrow down the audit log through the API."""

import django_filters

from audit_app.models import AuditLog


class AuditLogFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no type hints
    """Exact matches, and a time range in ISO 8601."""

    occurred_after = django_filters.IsoDateTimeFilter("occurred_at", "gte")
    occurred_before = django_filters.IsoDateTimeFilter("occurred_at", "lt")

    class Meta:
        model = AuditLog
        fields = ["event_type", "session_uuid", "actor", "request_id"]

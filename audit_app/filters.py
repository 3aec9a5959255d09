"""The filters of the audit log in the API."""

from datetime import UTC, datetime
from typing import Any

import django_filters
from django.core.exceptions import ValidationError
from django_filters.fields import IsoDateTimeField

from audit_app.models import AuditLog


class TimeField(IsoDateTimeField):  # type: ignore[misc]  # it has no type hints
    """A time in ISO 8601, converted to UTC. Refuses a time that UTC cannot express."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            time: datetime | None = super().to_python(value)
            return time and time.astimezone(UTC)
        except OverflowError as error:
            raise ValidationError(self.error_messages["invalid"], "invalid") from error


class TimeFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]  # it has no type hints
    field_class = TimeField


class AuditLogFilter(django_filters.FilterSet):  # type: ignore[misc]  # it has no type hints
    occurred_after = TimeFilter("occurred_at", "gte")
    occurred_before = TimeFilter("occurred_at", "lt")

    class Meta:
        model = AuditLog
        fields = ["event_type", "session_uuid", "actor", "request_id"]

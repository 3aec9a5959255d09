from django.db import migrations
from django.db.models import Index, Q

from common.online_migrations import ReplaceIndexOnline


class Migration(migrations.Migration):
    """Ascending indexes: a new row is added at their end, where a page is filled before the next one begins."""

    atomic = False

    dependencies = [("audit_app", "0003_seal")]

    operations = [
        ReplaceIndexOnline(
            "auditlog", Index(fields=["session_uuid", "occurred_at"], name="audit_session")
        ),
        ReplaceIndexOnline(
            "auditlog", Index(fields=["event_type", "occurred_at", "id"], name="audit_event_type")
        ),
        ReplaceIndexOnline(
            "auditlog", Index(fields=["actor", "occurred_at", "id"], name="audit_actor")
        ),
        ReplaceIndexOnline(
            "auditlog",
            Index(fields=["actor", "event_type", "occurred_at", "id"], name="audit_actor_type"),
        ),
        ReplaceIndexOnline("auditlog", Index(fields=["occurred_at"], name="audit_occurred_at")),
        ReplaceIndexOnline(
            "auditlog",
            Index(
                fields=["outcome", "occurred_at", "id"],
                name="audit_unsuccessful",
                condition=~Q(outcome="success"),
            ),
        ),
        ReplaceIndexOnline(
            "auditlog",
            Index(
                fields=["actor", "outcome", "occurred_at", "id"],
                name="audit_actor_unsuccessful",
                condition=~Q(outcome="success"),
            ),
        ),
        ReplaceIndexOnline(
            "auditpersonal",
            Index(fields=["address", "log"], name="audit_address", condition=Q(address__gt="")),
        ),
    ]

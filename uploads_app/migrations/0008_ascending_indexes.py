from django.db import migrations
from django.db.models import Index, Q

from common.online_migrations import ReplaceIndexOnline


class Migration(migrations.Migration):
    """Ascending indexes: a new row is added at their end, where a page is filled before the next one begins."""

    atomic = False

    dependencies = [("uploads_app", "0007_unneeded_indexes")]

    operations = [
        ReplaceIndexOnline("uploadedfile", Index(fields=["created_at"], name="upload_created")),
        ReplaceIndexOnline(
            "uploadedfile", Index(fields=["status", "created_at", "id"], name="upload_status")
        ),
        ReplaceIndexOnline(
            "uploadedfile",
            Index(fields=["inspection", "created_at", "id"], name="upload_inspection"),
        ),
        ReplaceIndexOnline(
            "uploadedfile",
            Index(fields=["status", "inspection", "created_at", "id"], name="upload_verdict"),
        ),
        ReplaceIndexOnline(
            "uploadedfile", Index(fields=["content_type", "created_at", "id"], name="upload_type")
        ),
        ReplaceIndexOnline(
            "uploadedfile",
            Index(
                fields=["sha256", "created_at"], name="upload_sha256", condition=Q(sha256__gt="")
            ),
        ),
        ReplaceIndexOnline(
            "quarantinedobject", Index(fields=["quarantined_at", "id"], name="quarantine_latest")
        ),
        ReplaceIndexOnline(
            "quarantinedobject",
            Index(fields=["reason", "quarantined_at", "id"], name="quarantine_reason"),
        ),
        ReplaceIndexOnline(
            "cleanuprun", Index(fields=["status", "finished_at"], name="cleanup_status")
        ),
        ReplaceIndexOnline(
            "cleanuprun", Index(fields=["status", "id"], name="cleanup_runs_by_status")
        ),
        ReplaceIndexOnline(
            "cleanuprun", Index(fields=["id"], name="cleanup_dry_runs", condition=Q(dry_run=True))
        ),
    ]

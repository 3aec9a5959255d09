"""What must exist after migrate: the schedules of cleanup and inspection, and who may see files and runs."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class UploadsConfig(AppConfig):
    name = "uploads_app"
    verbose_name = "Files"

    def ready(self) -> None:
        from uploads_app import checks, receivers  # noqa: F401  (they register themselves)

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Schedule cleanup and inspection, and grant the groups their permissions; safe to repeat."""
    from django_q.models import Schedule

    from audit_app import groups

    Schedule.objects.update_or_create(
        name="clean up orphans",
        defaults={
            "func": "uploads_app.tasks.cleanup_orphans",
            "schedule_type": Schedule.MINUTES,
            "minutes": 15,
        },
    )
    Schedule.objects.update_or_create(
        name="inspect files",
        defaults={
            "func": "uploads_app.tasks.inspect_uploads",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
        },
    )
    for group in (groups.SUPPORT, groups.AUDITOR):
        groups.grant(group, "uploads_app.view_uploadedfile", "uploads_app.view_cleanuprun")
    groups.grant(groups.SUPPORT, "uploads_app.quarantine_uploadedfile")

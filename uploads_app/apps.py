"""What must exist after migrate: the schedule of the cleanup, and who may see files and runs."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class UploadsConfig(AppConfig):
    name = "uploads_app"
    verbose_name = "Files"

    def ready(self) -> None:
        from uploads_app import checks, parsers, receivers  # noqa: F401  (they register themselves)

        parsers.prepare_spool()
        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Schedule the cleanup and grant the groups their permissions; safe to repeat."""
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
    for group in (groups.SUPPORT, groups.AUDITOR):
        groups.grant(group, "uploads_app.view_uploadedfile", "uploads_app.view_cleanuprun")

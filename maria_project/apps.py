"""The project as an application: the admin site, the heartbeat's schedule, start-up checks, who sees schedules."""

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

HEARTBEAT = "worker heartbeat"


class MariaAdminConfig(AdminConfig):
    default_site = "maria_project.admin_site.MariaAdminSite"


class MariaConfig(AppConfig):
    name = "maria_project"
    verbose_name = "Operations"

    def ready(self) -> None:
        from maria_project import checks, events  # noqa: F401  (they register themselves)

        # An app without models gets no signal of its own, so it follows the queue's.
        post_migrate.connect(prepare, sender=apps.get_app_config("django_q"))


def prepare(**_: Any) -> None:
    """Schedule the heartbeat and let staff see the schedules; safe to repeat."""
    from django_q.models import Schedule

    from audit_app import groups

    Schedule.objects.update_or_create(
        name=HEARTBEAT,
        defaults={
            "func": "maria_project.tasks.heartbeat",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
        },
    )
    for group in groups.ALL:
        groups.grant(group, "django_q.view_schedule")

"""The project as an application: the admin site, its own schedules, start-up checks, who sees schedules."""

from typing import Any

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.db.models.signals import post_migrate

HEARTBEAT = "worker heartbeat"


class MariaAdminConfig(AdminConfig):
    default_site = "backoffice_app.admin_site.MariaAdminSite"


class MariaConfig(AppConfig):
    name = "maria_project"
    verbose_name = "Operations"

    def ready(self) -> None:
        from backoffice_app import allowed_tasks, events  # noqa: F401  (they register themselves)
        from maria_project import checks  # noqa: F401  (they register themselves)

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Schedule the heartbeat and the counting, and let staff see the schedules; safe to repeat."""
    from django_q.models import Schedule

    from common import groups

    Schedule.objects.update_or_create(
        name=HEARTBEAT,
        defaults={
            "func": "maria_project.tasks.heartbeat",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
        },
    )
    Schedule.objects.update_or_create(
        name="count for the overview",
        defaults={
            "func": "maria_project.tasks.count_figures",
            "schedule_type": Schedule.MINUTES,
            "minutes": 1,
        },
    )
    for group in groups.ALL:
        groups.grant(group, "django_q.view_schedule")

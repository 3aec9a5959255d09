"""What must exist after migrate: the schedule of the sweep, and who may see and revoke sessions."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Visitors"

    def ready(self) -> None:
        from sessions_app import checks  # noqa: F401  (registers itself)

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Schedule the sweep and grant the groups their permissions; safe to repeat."""
    from django_q.models import Schedule

    from common import groups

    Schedule.objects.update_or_create(
        name="expire sessions",
        defaults={
            "func": "sessions_app.tasks.expire_sessions",
            "schedule_type": Schedule.MINUTES,
            "minutes": 5,
        },
    )
    Schedule.objects.update_or_create(
        name="forget visitors",
        defaults={
            "func": "sessions_app.tasks.forget_visitors",
            "schedule_type": Schedule.MINUTES,
            "minutes": 5,
        },
    )
    groups.grant(
        groups.SUPPORT,
        "sessions_app.view_usersession",
        "sessions_app.revoke_usersession",
        "sessions_app.extend_usersession",
        "sessions_app.recover_usersession",
        "sessions_app.export_usersession",
        "sessions_app.erase_usersession",
    )
    groups.grant(groups.AUDITOR, "sessions_app.view_usersession")

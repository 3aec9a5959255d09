"""The app's configuration: schedules and group permissions are created after migrate."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class SessionsConfig(AppConfig):
    name = "sessions_app"
    verbose_name = "Visitors"

    def ready(self) -> None:
        from sessions_app import checks, tasks  # noqa: F401  (imported to register)

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Create the schedules and grant the groups their permissions; idempotent."""
    from common import groups
    from common.schedules import schedule_every
    from sessions_app import tasks

    schedule_every("expire sessions", tasks.expire_sessions, minutes=5)
    schedule_every("forget visitors", tasks.forget_visitors, minutes=5)
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

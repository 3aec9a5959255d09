"""The project as an app: start-up checks, schedules, and the permission to view schedules."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate

HEARTBEAT = "worker heartbeat"


class MariaConfig(AppConfig):
    name = "maria_project"
    verbose_name = "Operations"

    def ready(self) -> None:
        from django.db.backends.signals import connection_created
        from django.http import multipartparser
        from django_q.signals import post_spawn

        from maria_project import checks, tasks  # noqa: F401  (registers the checks and tasks)
        from maria_project.charsets import header_parameters
        from maria_project.database_move.marks import refuse_marked
        from maria_project.private_files import restrict

        # The headers of each part. Django and REST framework have no setting for it.
        vars(multipartparser)["parse_header_parameters"] = header_parameters
        restrict()
        connection_created.connect(refuse_marked)
        post_migrate.connect(prepare, sender=self)
        post_spawn.connect(begin_roll_call)


def begin_roll_call(**_: Any) -> None:
    """Report this process: it was started to run tasks."""
    from backoffice_app.hosts import roll_call
    from backoffice_app.models import ProcessKind
    from maria_project.version import VERSION

    roll_call.begin(ProcessKind.WORKER, VERSION)


def prepare(**_: Any) -> None:
    """Create the schedules and let staff view them. Idempotent."""
    from common import groups
    from common.schedules import schedule_every
    from maria_project import tasks

    schedule_every(HEARTBEAT, tasks.heartbeat, minutes=1)
    schedule_every("count for the overview", tasks.count_figures, minutes=1)
    for group in groups.ALL:
        groups.grant(group, "django_q.view_schedule")

"""`manage.py expire_sessions`: record sessions whose time has run out, as the schedule does."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.context import as_operator
from sessions_app import services
from sessions_app.tasks import SWEEP_LIMIT


class Command(BaseCommand):
    help = (
        "Records sessions whose time has run out as expired. A session is refused from the moment "
        "it expires; this only writes it down, as the schedule does every five minutes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--limit", type=int, default=SWEEP_LIMIT, metavar="N", help="at most N sessions"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with as_operator():
            done = services.expire_due_sessions(limit=options["limit"])
        self.stdout.write(f"{done} session{'' if done == 1 else 's'} expired.")

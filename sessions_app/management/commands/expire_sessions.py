"""`manage.py expire_sessions`: mark due sessions as expired, as the schedule does."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.context import as_operator
from sessions_app.services import sessions
from sessions_app.tasks import SWEEP_LIMIT


class Command(BaseCommand):
    help = (
        "Marks sessions whose time has run out as expired. They are refused from the moment they "
        "expire; this only records it, as the schedule does every five minutes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--limit", type=int, default=SWEEP_LIMIT, metavar="N", help="at most N sessions"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with as_operator():
            done = sessions.expire_due_sessions(limit=options["limit"])
        self.stdout.write(f"{done} session{'' if done == 1 else 's'} expired.")

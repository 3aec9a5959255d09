"""`manage.py seed_demo`: invented data for trying out and measuring the back office."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from demo_app import writing
from uploads_app.management.arguments import positive
from uploads_app.management.progress import ProgressLine

# Every file is synced to disk, so more would take too long.
MOST_WITH_FILES = 20_000
# For fewer sessions, starting another process takes longer than writing them.
WORTH_A_PROCESS = 10_000


class Command(BaseCommand):
    help = (
        "Adds an invented history of the last 30 days: sessions in every state, files, audit "
        "events, cleanup runs and staff work. Does not change existing rows. Refuses to run in "
        "production and on a database with sessions that it did not create."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sessions", type=positive, default=2_000, metavar="N", help="(default: %(default)s)"
        )
        parser.add_argument(
            "--without-files",
            action="store_true",
            help="write rows only: downloads fail, and the cleanup stops because the objects are "
            f"missing; required for more than {MOST_WITH_FILES:,} sessions",
        )
        parser.add_argument(
            "--seed",
            default="maria",
            metavar="WORD",
            help="the same word generates the same people and files (default: %(default)s)",
        )
        parser.add_argument(
            "--jobs",
            type=positive,
            metavar="N",
            help="number of parallel processes on PostgreSQL (default: one for each core)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sessions, with_files = options["sessions"], not options["without_files"]
        if with_files and sessions > MOST_WITH_FILES:
            raise CommandError(
                f"More than {MOST_WITH_FILES:,} sessions need --without-files: every file is synced "
                "to disk."
            )
        try:
            plan = writing.begin(sessions=sessions, seed=options["seed"], with_files=with_files)
        except writing.SeedRefused as refused:
            raise CommandError(str(refused)) from refused
        done = 0
        with ProgressLine(self.stderr, "sessions", sessions) as progress:
            for written in writing.write(plan, _jobs(options["jobs"], sessions)):
                done += written
                progress.show(done)
        writing.analyse()
        self.stdout.write(f"Created {done} sessions.")
        if not with_files:
            self.stdout.write(
                "The files have no bytes: downloads fail, and the cleanup stops (too_many_unexpected "
                "or marker_missing)."
            )


def _jobs(requested: int | None, sessions: int) -> int:
    """Return the number of processes; SQLite allows one writer."""
    if connection.vendor != "postgresql":
        return 1
    return requested or (os.cpu_count() or 1 if sessions > WORTH_A_PROCESS else 1)

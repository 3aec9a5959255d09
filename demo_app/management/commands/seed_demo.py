"""`manage.py seed_demo`: a realistic, invented history, to look at the back office and to measure it."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from demo_app import writing
from uploads_app.management.arguments import positive
from uploads_app.management.progress import ProgressLine

# Beyond this, writing the files takes longer than anybody waits.
MOST_WITH_FILES = 20_000
# Fewer sessions are written before another process has started.
WORTH_A_PROCESS = 10_000


class Command(BaseCommand):
    help = (
        "Adds an invented history of the last 30 days: sessions in every state, files, audit "
        "events, cleanup runs, staff at work. Nobody in it exists. Refuses in production, and where "
        "there are sessions that it has not invented; changes nothing that is there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sessions", type=positive, default=2_000, metavar="N", help="(default: %(default)s)"
        )
        parser.add_argument(
            "--without-files",
            action="store_true",
            help="rows only: no file can be downloaded, and the cleanup will stop and say that the "
            f"store lacks them; needed for more than {MOST_WITH_FILES:,} sessions",
        )
        parser.add_argument(
            "--seed",
            default="maria",
            metavar="WORD",
            help="the same word invents the same people and files (default: %(default)s)",
        )
        parser.add_argument(
            "--jobs",
            type=positive,
            metavar="N",
            help="processes that write at once, on PostgreSQL (default: one for each core)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        sessions, with_files = options["sessions"], not options["without_files"]
        if with_files and sessions > MOST_WITH_FILES:
            raise CommandError(
                f"More than {MOST_WITH_FILES:,} sessions only --without-files: every file is synced "
                "to the disk."
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
        self.stdout.write(f"Invented {done} sessions.")
        if not with_files:
            self.stdout.write(
                "Their files have no bytes: downloads fail, and the cleanup stops (too_many_unexpected "
                "or marker_missing), as it should."
            )


def _jobs(requested: int | None, sessions: int) -> int:
    """Return how many processes write: SQLite lets one write at a time."""
    if connection.vendor != "postgresql":
        return 1
    return requested or (os.cpu_count() or 1 if sessions > WORTH_A_PROCESS else 1)

"""`manage.py move_database`: move everything from SQLite to PostgreSQL."""

import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, InterfaceError

from common.database_errors import describe
from maria_project.database_move.move import BATCH_ROWS, Report, RowsDiffer, cancel, move
from maria_project.database_move.source import MoveRefused
from uploads_app.management.arguments import positive


class Command(BaseCommand):
    help = (
        "Moves every row of a SQLite database to the empty PostgreSQL database of DATABASE_URL, "
        "while the product is stopped, and compares both. A run that was interrupted is continued "
        "by the next one. The old database keeps its rows and gets a mark, so that the product "
        "does not start on it. Exit code 0: done; 1: refused, with the reason; 3: the databases "
        "differ."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--from",
            dest="source",
            type=Path,
            default=settings.DATA_DIR / "db.sqlite3",
            metavar="FILE",
            help="the old database (default: db.sqlite3 in DATA_DIR)",
        )
        parser.add_argument(
            "--cancel",
            action="store_true",
            help="remove the mark, so that the old database can be used again; moves nothing",
        )
        parser.add_argument(
            "--batch-rows",
            type=positive,
            default=BATCH_ROWS,
            metavar="N",
            help="rows in one transaction (default: %(default)s)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["source"]
        try:
            if options["cancel"]:
                self._cancel(path)
                return
            report = move(path, options["batch_rows"], self._show)
        except MoveRefused as refused:
            raise CommandError(str(refused)) from refused
        except (DatabaseError, InterfaceError) as error:
            raise CommandError(describe(error)) from error
        except RowsDiffer as differ:
            raise CommandError(
                f"Not done: the rows differ in {differ}. The old database is complete. Create a new, "
                "empty database and move it again.",
                returncode=3,
            ) from differ
        self._print(report, path)

    def _show(self, name: str, done: int, total: int) -> None:
        self.stderr.write(f"{time.strftime('%H:%M:%S')} {name}: {done} of {total}")

    def _cancel(self, path: Path) -> None:
        if cancel(path):
            self.stdout.write(
                f"{path} can be used again. What was written to PostgreSQL since is not in it."
            )
        else:
            self.stdout.write(f"{path} is not marked. Nothing to do.")

    def _print(self, report: Report, path: Path) -> None:
        if report.was_done:
            self.stdout.write(f"Nothing to do: {path} was moved before.")
            return
        for name, rows in report.rows.items():
            self.stdout.write(f"{rows:>10}  {name}")
        for column, number in report.replaced.items():
            self.stdout.write(
                f"Replaced {number} characters that PostgreSQL cannot store: {column}"
            )
        for name, rows in report.left.items():
            self.stdout.write(
                f"Left behind: {rows} rows of {name}, a table that this version does not know"
            )
        self.stdout.write(
            f"Done: {sum(report.rows.values())} rows of {len(report.rows)} tables, compared by number and "
            "digest. Start the product with this DATABASE_URL. "
            f"{path} is as it was, and marked: the product does not start on it."
        )

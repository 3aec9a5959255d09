"""`manage.py cleanup_orphans`: what the schedule does, by hand and with a report."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from itertools import groupby
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.template.defaultfilters import filesizeformat
from environs.fields import TimeDelta
from marshmallow import ValidationError

from audit_app.context import acting_as_operator
from uploads_app import cleanup
from uploads_app.models import CleanupRun, RunStatus
from uploads_app.stop_codes import what_to_do
from uploads_app.survey import REMOVED, Finding, Kind

LONGEST_AGE = timedelta(days=3650)
# What CleanupRun's column holds on both databases.
HIGHEST_LIMIT = 2**31 - 1


def age(text: str) -> timedelta:
    """Read `30m`, `12h` or `7d`, as settings do; an age cannot be negative, nor beyond ten years."""
    try:
        value: timedelta = TimeDelta().deserialize(text)
    except (ValidationError, OverflowError):
        value = timedelta(-1)
    if not timedelta(0) <= value <= LONGEST_AGE:
        raise ArgumentTypeError(
            f"{text!r} is not an age: write a number and s, m, h or d, like 30m; at most "
            f"{LONGEST_AGE.days}d"
        )
    return value


def positive(text: str) -> int:
    """Read a number of at least 1 that the run's record can hold."""
    if not text.isdecimal() or not 1 <= int(text) <= HIGHEST_LIMIT:
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {HIGHEST_LIMIT}")
    return int(text)


class Command(BaseCommand):
    help = (
        "Removes files that should be gone (uploads that never finished, deletions that were "
        "interrupted, files past their retention) and reports where storage and database disagree. "
        "Exit code 0: done, or skipped because another run is under way; 1: some keys failed and "
        "stay for the next run; 2: bad options; 3: stopped because something is wrong, before "
        "anything was removed or, if the database or the lease was lost on the way, without going on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be removed, and remove nothing"
        )
        parser.add_argument(
            "--older-than",
            type=age,
            default=settings.CLEANUP_GRACE,
            metavar="AGE",
            help="leave objects younger than this alone that no row explains (default: CLEANUP_GRACE)",
        )
        parser.add_argument(
            "--limit",
            type=positive,
            default=cleanup.DEFAULT_LIMIT,
            metavar="N",
            help="remove at most N files; the next run goes on (default: %(default)s)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as_operator():
            run, findings = cleanup.cleanup_orphans(
                cleanup.Options(
                    grace=options["older_than"],
                    limit=options["limit"],
                    dry_run=options["dry_run"],
                )
            )
        if options["json"]:
            self.stdout.write(json.dumps(as_json(run, findings), indent=2))
        else:
            self._print(run, findings)
        if run.exit_code:
            sys.exit(run.exit_code)

    def _print(self, run: CleanupRun, findings: list[Finding]) -> None:
        if run.status == RunStatus.STOPPED:
            self.stderr.write(
                f"Stopped, {run.removed or 'nothing'} removed: {run.stop_sentence} ({run.stop_code})"
            )
            self.stderr.write(f"What to do: {what_to_do(run.stop_code)}")
            return
        if run.status == RunStatus.SKIPPED:
            self.stdout.write("Skipped: another run is under way.")
            return
        for kind, group in groupby(sorted(findings, key=_by_kind), key=lambda f: f.kind):
            items = list(group)
            removal = ", would be removed" if run.dry_run and kind in REMOVED else ""
            self.stdout.write(f"{kind.capitalize()} ({len(items)}{removal}):")
            for item in items:
                self.stdout.write(f"  {item.label}  {filesizeformat(item.size)}")
        if not findings:
            self.stdout.write("Nothing to do.")
        self.stdout.write(
            f"{run.objects_seen} objects and {run.rows_seen} files looked at, "
            + ("nothing removed (dry run)." if run.dry_run else f"{run.removed} removed.")
        )
        if run.errors:
            self.stderr.write(f"{run.errors} could not be removed; the next run tries again.")


def as_json(run: CleanupRun, findings: list[Finding]) -> dict[str, Any]:
    """Return a run as the command's `--json` prints it."""
    return {
        "run": run.pk,
        "status": run.status,
        "dry_run": run.dry_run,
        "stop_code": run.stop_code or None,
        "stop_sentence": run.stop_sentence or None,
        "objects_seen": run.objects_seen,
        "rows_seen": run.rows_seen,
        "removed": run.removed,
        "bytes_removed": run.bytes_removed,
        "errors": run.errors,
        "findings": [
            {"kind": finding.kind.value, "key": finding.label, "size": finding.size}
            for finding in findings
        ],
    }


def _by_kind(finding: Finding) -> tuple[int, str]:
    return list(Kind).index(finding.kind), finding.key

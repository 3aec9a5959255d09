"""`manage.py cleanup_orphans`: run the cleanup by hand, with a report."""

import json
import sys
from argparse import SUPPRESS, ArgumentParser
from datetime import timedelta
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError
from django.template.defaultfilters import filesizeformat

from common.context import as_operator
from common.database_errors import describe
from uploads_app.cleanup import adoption, explanation
from uploads_app.cleanup import run as cleanup
from uploads_app.cleanup.findings import REMOVED, FindingKind
from uploads_app.cleanup.run_context import DEFAULT_LIMIT, CleanupOptions
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.management.arguments import age, positive, retention, share
from uploads_app.management.progress import ProgressLine
from uploads_app.models import CleanupRun, Finding, RunStatus

# What a run does with findings that it does not delete.
_DONE = {
    FindingKind.ARRIVED: "marked as stored",
    FindingKind.ORPHAN: "moved to the trash",
    FindingKind.LATE: "moved to the trash",
    FindingKind.MISPLACED: "moved back",
    FindingKind.UNRECORDED: "recorded",
    FindingKind.MISSING: "marked as missing",
    FindingKind.FOUND: "marked as stored",
}


class Command(BaseCommand):
    help = (
        "Deletes files that are due (uploads that never finished, interrupted deletions, files past "
        "their retention), moves orphans to the trash, and marks files whose object is missing. "
        "Exit code 0: done, or skipped because another run is in progress; 1: some keys failed and "
        "stay for the next run; 2: invalid options; 3: stopped because something is wrong, before "
        "anything was deleted. Only a lost lease or database can also stop a run that is deleting."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="report what would be done, and change nothing"
        )
        parser.add_argument(
            "--older-than",
            type=age,
            default=settings.CLEANUP_GRACE,
            metavar="AGE",
            help="grace period: leave younger orphans alone (default: CLEANUP_GRACE)",
        )
        for option, setting in _RETENTIONS.items():
            parser.add_argument(
                f"--{option}", type=retention, metavar="AGE", help=f"replaces {setting} in this run"
            )
        # The old name of --trash-retention, accepted for one version.
        parser.add_argument("--quarantine-retention", type=retention, help=SUPPRESS)
        parser.add_argument(
            "--limit",
            type=positive,
            default=DEFAULT_LIMIT,
            metavar="N",
            help="delete or move to the trash at most N files; the next run continues (default: %(default)s)",
        )
        parser.add_argument(
            "--allow-share",
            type=share,
            metavar="PERCENT",
            help="accept that up to this percentage of the files are orphans or missing (default: 5), "
            "or past their retention (default: 20)",
        )
        parser.add_argument(
            "--accept-clock",
            action="store_true",
            help="after a stop with clock_jumped: the clock is right, and the product was off",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--explain",
            metavar="KEY",
            help="report what was or would be done about one key, by which rule, and change nothing",
        )
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="after a restore, declare that store and database belong together: reports what it "
            "will do, asks for confirmation, restores files that the backup does not know, and "
            "repeats erasures",
        )
        parser.add_argument(
            "--yes", action="store_true", help="adopt without asking for confirmation"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["explain"] is not None or options["adopt"]:
            self._explain_or_adopt(options)
            return
        report = (_JsonReport if options["json"] else _TextReport)(self)
        with as_operator(), ProgressLine(self.stderr, "objects") as progress:
            run = cleanup.cleanup_orphans(
                CleanupOptions(
                    grace=options["older_than"],
                    limit=options["limit"],
                    dry_run=options["dry_run"],
                    allow_share=options["allow_share"],
                    accept_clock=options["accept_clock"],
                    retention=options["upload_retention"],
                    completed_retention=options["completed_retention"],
                    trash_retention=self._trash_retention(options),
                    on_finding=report.add,
                    progress=progress.show,
                )
            )
        report.end(run)
        if run.exit_code:
            sys.exit(run.exit_code)

    def _trash_retention(self, options: dict[str, Any]) -> timedelta | None:
        old: timedelta | None = options["quarantine_retention"]
        if old is not None:
            self.stderr.write(
                "--quarantine-retention is the old name of --trash-retention; "
                "the next version does not accept it."
            )
        new: timedelta | None = options["trash_retention"]
        return old if new is None else new

    def _explain_or_adopt(self, options: dict[str, Any]) -> None:
        try:
            if options["explain"] is not None:
                self._explain(options["explain"], options["json"])
                return
            with as_operator():
                self._adopt(dry_run=options["dry_run"], agreed=options["yes"])
        except OSError as error:
            self._fail(f"The store does not answer: {error}.")
        except (DatabaseError, InterfaceError) as error:
            self._fail(describe(error))

    def _fail(self, why: str) -> NoReturn:
        self.stderr.write(why)
        sys.exit(3)

    def _explain(self, key: str, as_json: bool) -> None:
        explained = explanation.explain(key)
        if as_json:
            self.stdout.write(json.dumps(explained.as_dict(), indent=2, default=str))
        else:
            self.stdout.write("\n".join(explained.lines()))

    def _adopt(self, *, dry_run: bool, agreed: bool) -> None:
        try:
            plan = adoption.plan()
            self.stdout.write("\n".join(plan.lines()))
            if dry_run or not (agreed or self._agrees()):
                self.stdout.write("Nothing was changed.")
                return
            adoption.adopt(plan)
        except adoption.CannotAdopt as reason:
            self.stderr.write(f"Nothing was adopted: {reason} ({reason.code})")
            sys.exit(3)
        self.stdout.write("Adopted. Next, run cleanup_orphans --dry-run and read its report.")

    def _agrees(self) -> bool:
        self.stdout.write("Type “adopt” to continue: ", ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip() == "adopt"


class _TextReport:
    """A line for each finding, and a summary at the end."""

    def __init__(self, command: BaseCommand) -> None:
        self._out, self._err = command.stdout, command.stderr

    def add(self, finding: Finding) -> None:
        self._out.write(f"{finding}  {filesizeformat(finding.size)}")

    def end(self, run: CleanupRun) -> None:
        if run.status == RunStatus.STOPPED:
            removed = f"{run.removed} deleted" if run.removed else "nothing deleted"
            self._err.write(f"Stopped, {removed}: {run.stop_sentence} ({run.stop_code})")
            self._err.write(f"What to do: {what_to_do(run.stop_code)}")
            return
        if run.status == RunStatus.SKIPPED:
            self._out.write("Skipped: another run is in progress.")
            return
        for kind, count in run.findings.items():
            self._out.write(f"{count} {kind}{_became(FindingKind(kind), run)}")
        if not run.findings:
            self._out.write("Nothing to do.")
        self._out.write(
            f"{run.objects_seen} objects and {run.rows_seen} files scanned in "
            f"{run.seconds:.1f} s, "
            + (
                "nothing changed (dry run)."
                if run.dry_run
                else f"{run.removed} deleted ({filesizeformat(run.bytes_removed)}), "
                f"{run.quarantined} moved to the trash."
            )
        )
        if run.errors:
            self._err.write(f"{run.errors} files failed. The next run tries again.")


class _JsonReport:
    """One JSON object. Writes the findings one by one, because there may be a million."""

    def __init__(self, command: BaseCommand) -> None:
        self._out = command.stdout
        self._count = 0

    def add(self, finding: Finding) -> None:
        self._out.write('{"findings": [' if not self._count else ",")
        self._count += 1
        self._out.write(json.dumps(finding.as_dict()), ending="")

    def end(self, run: CleanupRun) -> None:
        self._out.write("\n]," if self._count else '{"findings": [],')
        self._out.write(json.dumps(as_dict(run), indent=2).removeprefix("{\n"))


def as_dict(run: CleanupRun) -> dict[str, Any]:
    """Return a run as `--json` prints it after the findings."""
    fields = (
        "status", "dry_run", "objects_seen", "rows_seen", "removed", "bytes_removed",
        "quarantined", "purged", "errors", "seconds", "rate",
    )  # fmt: skip
    return {
        "run": run.pk,
        "stop_code": run.stop_code or None,
        "stop_sentence": run.stop_sentence or None,
        **{name: getattr(run, name) for name in fields},
    }


def _became(kind: FindingKind, run: CleanupRun) -> str:
    done = "deleted" if kind in REMOVED else _DONE.get(kind)
    if done is None:
        return ""
    return f", would be {done}" if run.dry_run else f", {done}"


_RETENTIONS = {
    "upload-retention": "UPLOAD_RETENTION",
    "completed-retention": "COMPLETED_RETENTION",
    "trash-retention": "TRASH_RETENTION",
}

"""`manage.py cleanup_orphans`: what the schedule does, by hand and with a report."""

import json
import sys
from argparse import SUPPRESS, ArgumentParser
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError
from django.template.defaultfilters import filesizeformat

from common.context import as_operator
from uploads_app.cleanup import adoption, explanation
from uploads_app.cleanup import run as cleanup
from uploads_app.cleanup.reconcile import REMOVED, Finding, FindingKind
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.cleanup.work import DEFAULT_LIMIT, CleanupOptions
from uploads_app.management.arguments import age, positive, share
from uploads_app.management.progress import ProgressLine
from uploads_app.models import CleanupRun, RunStatus

# What a finding comes to, in the words of the report.
_DONE = {FindingKind.ORPHAN: "put aside", FindingKind.MISSING: "noted", FindingKind.FOUND: "noted"}


class Command(BaseCommand):
    help = (
        "Removes files that should be gone (uploads that never finished, deletions that were "
        "interrupted, files past their retention), puts objects aside that no row explains, and "
        "notes which files have lost their objects. "
        "Exit code 0: done, or skipped because another run is under way; 1: some keys failed and "
        "stay for the next run; 2: bad options; 3: stopped because something is wrong, before "
        "anything was removed or, if the database or the lease was lost on the way, without going on."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be done, and do nothing"
        )
        parser.add_argument(
            "--older-than",
            type=age,
            default=settings.CLEANUP_GRACE,
            metavar="AGE",
            help="leave objects younger than this alone that no row explains (default: CLEANUP_GRACE)",
        )
        for option, setting in _RETENTIONS.items():
            parser.add_argument(
                f"--{option}", type=age, metavar="AGE", help=f"replaces {setting} in this run"
            )
        # The old name of --trash-retention, accepted for one version.
        parser.add_argument("--quarantine-retention", type=age, help=SUPPRESS)
        parser.add_argument(
            "--limit",
            type=positive,
            default=DEFAULT_LIMIT,
            metavar="N",
            help="remove or put aside at most N files; the next run goes on (default: %(default)s)",
        )
        parser.add_argument(
            "--allow-share",
            type=share,
            metavar="PERCENT",
            help="go on though up to so many of a hundred files are on one side only (else: 5)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--explain",
            metavar="KEY",
            help="say of one key what was or would be done, by which rule, and do nothing",
        )
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="declare that store and database belong together, after a restore: says what that "
            "means, asks, brings back what the backup did not know, and erases again what was erased",
        )
        parser.add_argument("--yes", action="store_true", help="adopt without asking")

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
        except (OSError, DatabaseError, InterfaceError) as error:
            which = "store" if isinstance(error, OSError) else "database"
            first_line = str(error).partition("\n")[0].rstrip(".")
            self.stderr.write(f"The {which} does not answer: {first_line}.")
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
        self.stdout.write("Adopted. Run the cleanup dry next, and read what it says.")

    def _agrees(self) -> bool:
        self.stdout.write("Type “adopt” to go on: ", ending="")
        self.stdout.flush()
        return sys.stdin.readline().strip() == "adopt"


class _TextReport:
    """A line for each finding, and a sentence at the end."""

    def __init__(self, command: BaseCommand) -> None:
        self._out, self._err = command.stdout, command.stderr

    def add(self, finding: Finding) -> None:
        self._out.write(f"{finding.kind}: {finding.label}  {filesizeformat(finding.size)}")

    def end(self, run: CleanupRun) -> None:
        if run.status == RunStatus.STOPPED:
            removed = f"{run.removed} removed" if run.removed else "nothing removed"
            self._err.write(f"Stopped, {removed}: {run.stop_sentence} ({run.stop_code})")
            self._err.write(f"What to do: {what_to_do(run.stop_code)}")
            return
        if run.status == RunStatus.SKIPPED:
            self._out.write("Skipped: another run is under way.")
            return
        for kind, count in run.findings.items():
            self._out.write(f"{count} {kind}{_became(FindingKind(kind), run)}")
        if not run.findings:
            self._out.write("Nothing to do.")
        self._out.write(
            f"{run.objects_seen} objects and {run.rows_seen} files looked at in "
            f"{run.seconds:.1f} s, "
            + (
                "nothing changed (dry run)."
                if run.dry_run
                else f"{run.removed} removed ({filesizeformat(run.bytes_removed)}), "
                f"{run.quarantined} put aside."
            )
        )
        if run.errors:
            self._err.write(f"{run.errors} could not be removed; the next run tries again.")


class _JsonReport:
    """One JSON object, whose findings are written as they come: there may be a million."""

    def __init__(self, command: BaseCommand) -> None:
        self._out = command.stdout
        self._count = 0

    def add(self, finding: Finding) -> None:
        self._out.write('{"findings": [' if not self._count else ",")
        self._count += 1
        document = {"kind": finding.kind.value, "key": finding.label, "size": finding.size}
        self._out.write(json.dumps(document), ending="")

    def end(self, run: CleanupRun) -> None:
        self._out.write("\n]," if self._count else '{"findings": [],')
        self._out.write(json.dumps(as_dict(run), indent=2).removeprefix("{\n"))


def as_dict(run: CleanupRun) -> dict[str, Any]:
    """Return a run as `--json` prints it, after its findings."""
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
    done = "removed" if kind in REMOVED else _DONE.get(kind)
    if done is None:
        return ""
    return f", would be {done}" if run.dry_run else f", {done}"


_RETENTIONS = {
    "upload-retention": "UPLOAD_RETENTION",
    "completed-retention": "COMPLETED_RETENTION",
    "trash-retention": "TRASH_RETENTION",
}

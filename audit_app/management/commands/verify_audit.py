"""`manage.py verify_audit`: verify the audit log against its seal."""

import sys
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from audit_app.seal import anchors
from audit_app.seal.problems import WHAT_TO_DO, SealProblem
from audit_app.seal.repair import accept
from audit_app.seal.verification import NOT_CHECKED, Report, Scope, verify
from common.context import as_operator
from common.text import storable


class Command(BaseCommand):
    help = (
        "Verifies the audit log: signatures, chain, completeness, roots, texts, columns, classes "
        "and personal parts. Exit code 0: intact; 1: tampered; 2: could not be verified; "
        "3: intact, with warnings."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=_time, help="only rows of heads from this time on")
        parser.add_argument("--until", type=_time, help="only rows of heads before this time")
        parser.add_argument("--session", type=_uuid, help="only heads with its events")
        parser.add_argument(
            "--anchor", type=Path, metavar="FILE", help="compare with the heads of this file"
        )
        parser.add_argument("--jobs", type=_jobs, default=1, help="processes (default: 1)")
        parser.add_argument(
            "--accept",
            action="append",
            default=[],
            metavar="'CODE at PLACE'",
            help="do not warn any more about this clock or key_replaced; needs --reason",
        )
        parser.add_argument("--reason", default="", help="why it is accepted, for the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        reason = storable(options["reason"].strip(), 500)
        if options["accept"] and not reason:
            raise CommandError("State why it is accepted, with --reason.", returncode=NOT_CHECKED)
        scope = Scope(options["since"], options["until"], options["session"] or "")
        try:
            report = verify(scope, jobs=options["jobs"], progress=self._progress())
            if options["anchor"]:
                report.add(anchors.compare_file(options["anchor"]))
            else:
                report.add(anchors.compare_all())
        except SealProblem as problem:
            what = WHAT_TO_DO[problem.code]
            self.stderr.write(f"Not verified. {problem.code}: {problem.sentence} {what}")
            sys.exit(NOT_CHECKED)
        for wanted in options["accept"]:
            self._accept(report, wanted, reason)
        self._print(report)
        if report.exit_code:
            sys.exit(report.exit_code)

    def _accept(self, report: Report, wanted: str, reason: str) -> None:
        try:
            with as_operator():
                accept(report, wanted, reason)
        except (ValueError, OSError) as error:
            raise CommandError(str(error), returncode=NOT_CHECKED) from error

    def _progress(self) -> Any:
        reported = 0

        def show(rows: int) -> None:
            nonlocal reported
            if rows >= reported + 100_000:
                reported = rows
                self.stderr.write(f"{rows} rows")

        return show

    def _print(self, report: Report) -> None:
        if report.first:
            self.stdout.write(f"First difference: {report.first}")
        for one in report.known:
            self.stdout.write(f"Accepted: {one}")
        for one in report.differences:
            self.stdout.write(str(one))
        if report.found > len(report.differences):
            self.stdout.write(f"{report.found} differences in all.")
        verdict = ("Intact", "TAMPERED", "", "Intact, with warnings")[report.exit_code]
        self.stdout.write(f"{verdict}: {report.heads} heads, {report.rows} sealed rows.")


def _time(text: str) -> datetime:
    try:
        found = parse_datetime(text)
        day = None if found else parse_date(text)
    except ValueError:
        found = day = None
    if day:
        found = datetime(day.year, day.month, day.day)  # noqa: DTZ001  (made aware below)
    if found is None:
        raise ArgumentTypeError("write a day or a time, like 2026-11-28 or 2026-11-28T14:30")
    return found if timezone.is_aware(found) else timezone.make_aware(found)


def _uuid(text: str) -> str:
    try:
        return str(UUID(text))
    except ValueError as error:
        raise ArgumentTypeError("write the UUID of a session") from error


def _jobs(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 64:
        raise ArgumentTypeError("write a number from 1 to 64")
    return int(text)

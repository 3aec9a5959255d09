"""`manage.py seal_audit`: seal all committed rows of the audit log, as the schedule does."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit_app.seal.problems import WHAT_TO_DO, SealProblem
from audit_app.seal.repair import rebuild_state
from audit_app.seal.sealer import seal_all
from common.context import as_operator


class Command(BaseCommand):
    help = (
        "Seals the committed rows of the audit log that no batch has, with a signed head for each "
        "10,000 rows. Exit code 0: done; 2: stopped, and nothing more was sealed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--rebuild-state",
            action="store_true",
            help="first compute the lost state of the seal from its heads and batches, if they verify",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with as_operator():
                if options["rebuild_state"]:
                    self._rebuild()
                heads = seal_all()
        except SealProblem as problem:
            self.stderr.write(f"{problem.code}: {problem.sentence} {WHAT_TO_DO[problem.code]}")
            sys.exit(2)
        for head in heads:
            self.stdout.write(
                f"head {head.number}: {head.rows} rows in {len(head.batches)} batches"
            )
        if not heads:
            self.stdout.write("No row waits.")

    def _rebuild(self) -> None:
        state = rebuild_state()
        self.stdout.write(
            f"The state is rebuilt up to head {state.head}."
            if state
            else "The state fits the heads."
        )

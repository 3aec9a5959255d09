"""`manage.py create_seal_key`: create or change the key that seals the audit log."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit_app.seal import key_files, keys
from audit_app.seal.problems import SealProblem
from common.context import as_operator


class Command(BaseCommand):
    help = (
        "Creates the key that seals the audit log, in the file of AUDIT_SEAL_KEY_FILE, and adds "
        "its public key to the file of AUDIT_SEAL_PUBLIC_KEYS_FILE."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        change = parser.add_mutually_exclusive_group()
        change.add_argument(
            "--rotate", action="store_true", help="replace the key; the old one names the new one"
        )
        change.add_argument(
            "--replace-lost",
            action="store_true",
            help="the key is lost or stolen: continue with a new one that the old one cannot name",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        change = key_files.create_key
        if options["rotate"]:
            change = key_files.rotate_key
        elif options["replace_lost"]:
            change = key_files.replace_lost_key
        try:
            with as_operator():
                key = change()
        except SealProblem as problem:
            raise CommandError(problem.sentence, returncode=2) from problem
        self.stdout.write(f"Key {key.id} signs from head {key.since_head} on: {keys.key_path()}")

"""`manage.py restore_orphans`: restore objects from the trash."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.context import as_operator
from uploads_app.cleanup.trash import restore_object
from uploads_app.cleanup.trash_entries import NotRestored
from uploads_app.management.progress import ProgressLine
from uploads_app.models import QuarantinedObject, TrashStatus


class Command(BaseCommand):
    help = (
        "Moves objects from the trash back to their original keys, where the cleanup then leaves "
        "them alone. Exit code 0: all were restored; 1: some were not; 2: invalid options."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "keys", nargs="*", default=[], metavar="KEY", help="original key of an object"
        )
        which.add_argument("--all", action="store_true", help="restore all objects in the trash")

    def handle(self, *args: Any, **options: Any) -> None:
        keys = options["keys"]
        if options["all"]:
            kept = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED)
            keys = list(kept.order_by("key").values_list("key", flat=True))
        restored = 0
        with as_operator(), ProgressLine(self.stderr, "objects", len(keys)) as progress:
            for key in keys:
                try:
                    restore_object(key=key)
                    restored += 1
                except NotRestored as reason:
                    self.stderr.write(f"{key}: {reason}")
                progress.show(restored)
        self.stdout.write(f"{restored} of {len(keys)} objects restored.")
        if restored < len(keys):
            sys.exit(1)

"""`manage.py restore_orphans`: give objects back that the cleanup has put aside."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from common.context import as_operator
from uploads_app.cleanup.trash import NotRestored, restore_object
from uploads_app.management.progress import ProgressLine
from uploads_app.models import QuarantinedObject, TrashStatus


class Command(BaseCommand):
    help = (
        "Gives objects in quarantine back to their old keys, where the cleanup leaves them alone "
        "from then on. Exit code 0: all are back; 1: some are not; 2: bad options."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("keys", nargs="*", default=[], metavar="KEY", help="an object's old key")
        which.add_argument("--all", action="store_true", help="everything in quarantine")

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
        self.stdout.write(f"{restored} of {len(keys)} objects given back.")
        if restored < len(keys):
            sys.exit(1)

"""`manage.py export_audit`: export whole sealed batches, which anybody can check."""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import Sum

from audit_app import events
from audit_app.models import RetentionClass, SealBatch, SealHead
from audit_app.seal.exports import whole_batches
from audit_app.services import record
from common.context import as_operator


class Command(BaseCommand):
    help = (
        "Exports whole sealed batches as JSON Lines, with their heads. Anybody can check the file "
        "with scripts/verify_audit_export.py and the public keys. It has no personal parts."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--first", type=int, default=1, help="first head (default: 1)")
        parser.add_argument("--last", type=int, help="last head (default: the newest)")
        parser.add_argument("--class", dest="retention", default="", choices=RetentionClass.values)
        parser.add_argument("--output", type=Path, help="file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        newest = SealHead.objects.order_by("-number").values_list("number", flat=True).first()
        first, last = options["first"], options["last"] or newest or 0
        if not 1 <= first <= last:
            raise CommandError("There are no such heads.", returncode=2)
        batches = SealBatch.objects.filter(head__gte=first, head__lte=last)
        if options["retention"]:
            batches = batches.filter(retention=options["retention"])
        rows = batches.aggregate(rows=Sum("count"))["rows"] or 0
        with as_operator(), transaction.atomic():
            record(events.STAFF_EXPORTED, format="batches", rows=rows, filters="", reason="")
        output = options["output"]
        with output.open("w") if output else nullcontext(sys.stdout) as file:
            for line in whole_batches(first, last, options["retention"]):
                file.write(line)

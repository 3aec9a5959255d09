from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backoffice_app.accounts import throttle
from common.context import as_operator


class Command(BaseCommand):
    help = "Lifts a sign-in lock: deletes the failed sign-ins of a user name or an address."

    def add_arguments(self, parser: ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--name", default="", help="the user name of a staff member")
        group.add_argument(
            "--address", default="", help="an IPv4 or IPv6 address; IPv6 means its whole /64"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with as_operator():
            try:
                failures = throttle.lift_lock(name=options["name"], address=options["address"])
            except ValueError as error:
                raise CommandError(f"{error}.") from error
        if failures:
            self.stdout.write(
                f"{failures} failed sign-ins were deleted. The next attempt is checked again."
            )
        else:
            self.stdout.write("There were no failed sign-ins to delete.")

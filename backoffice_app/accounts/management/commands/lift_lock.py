"""`manage.py lift_lock`: let somebody sign in who is locked out."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backoffice_app.accounts import throttle
from common.context import as_operator


class Command(BaseCommand):
    help = "Forgets failed sign-ins under a user name or from an address, and so lifts their lock."

    def add_arguments(self, parser: ArgumentParser) -> None:
        group = parser.add_mutually_exclusive_group(required=True)
        group.add_argument("--name", default="", help="the user name of a staff member")
        group.add_argument(
            "--address", default="", help="an IPv4 or IPv6 address; of IPv6 all of its /64"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with as_operator():
            try:
                failures = throttle.lift_lock(name=options["name"], address=options["address"])
            except ValueError as error:
                raise CommandError(f"{error}.") from error
        if failures:
            self.stdout.write(
                f"{failures} failed sign-ins are forgotten: the next try is looked at."
            )
        else:
            self.stdout.write("There were no failed sign-ins to forget.")

"""`manage.py create_service_key`: create a key for one of our own services and show it once."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from common.context import as_operator
from sessions_app.models import Scope, ServiceKey
from sessions_app.services import service_keys


class Command(BaseCommand):
    help = "Creates a key for a service, like Maria's back end, and prints it once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the service that uses it, for example maria-agent")
        parser.add_argument(
            "--scope",
            action="append",
            required=True,
            choices=Scope.values,
            help="what the key permits; can be repeated",
        )
        parser.add_argument(
            "--days", type=_days, default=365, help="days until it expires (default: %(default)s)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        key = ServiceKey(
            name=options["name"],
            scopes=sorted(set(options["scope"])),
            expires_at=timezone.now() + timedelta(days=options["days"]),
        )
        try:
            key.full_clean(exclude=["key_hash"])
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        with as_operator():
            secret = service_keys.issue_service_key(key=key)
        self.stderr.write(
            f"The key of {key}, valid for {options['days']} days. It is shown only now:"
        )
        self.stdout.write(secret)


def _days(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= service_keys.LONGEST_DAYS:
        raise ArgumentTypeError(f"write a number of days from 1 to {service_keys.LONGEST_DAYS}")
    return int(text)

"""`manage.py revoke_service_key`: revoke a service's key."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from common.context import as_operator
from sessions_app.models import ServiceKey
from sessions_app.services import service_keys


class Command(BaseCommand):
    help = "Revokes a service's key. It stops working at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="the key's name")

    def handle(self, *args: Any, **options: Any) -> None:
        key = ServiceKey.objects.filter(name=options["name"]).first()
        if key is None:
            known = ", ".join(ServiceKey.objects.values_list("name", flat=True)) or "none"
            raise CommandError(f"There is no key {options['name']!r}. Existing keys: {known}.")
        with as_operator():
            revoked = service_keys.revoke_service_key(key=key)
        self.stdout.write(
            f"The key of {key} is revoked." if revoked else f"The key of {key} was already revoked."
        )

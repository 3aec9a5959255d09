"""Django's `createsuperuser`, with the change recorded in the audit log."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from backoffice_app.accounts import changes
from common.context import as_operator


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with as_operator(), changes.recorded_on_each_save():
            super().handle(*args, **options)

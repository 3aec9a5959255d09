"""Django's `changepassword`, with the change recorded in the audit log."""

from typing import Any

from django.contrib.auth.management.commands import changepassword

from backoffice_app.accounts import changes
from common.context import as_operator


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        with as_operator(), changes.recorded_on_each_save():
            return super().handle(*args, **options)

"""`manage.py createsuperuser`: Django's own, and it is in the audit log."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from audit_app.context import acting_as_operator
from maria_project.accounts import changes


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        with acting_as_operator(), changes.noted_at_each_save():
            super().handle(*args, **options)

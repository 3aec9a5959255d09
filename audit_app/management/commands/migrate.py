"""`manage.py migrate`, as Django's own, but it also runs where an audit trigger is missing.

Django checks the database before it migrates, and a missing trigger is an
error that only migrate mends: so they are installed before the check looks.
"""

from typing import Any

from django.core.management.commands import migrate

from audit_app import triggers


class Command(migrate.Command):
    def check(self, *args: Any, **kwargs: Any) -> None:
        for alias in kwargs.get("databases") or []:
            triggers.install(alias)
        super().check(*args, **kwargs)

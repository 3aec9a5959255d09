"""Django's `migrate`, which also runs if an audit trigger is missing, and blocks no visitor.

Django runs the database checks before it migrates. A missing trigger fails
them, and only migrate installs it: so install the triggers before the checks.
"""

from typing import Any

from django.core.management.commands import migrate

from audit_app import triggers
from common.online_migrations import give_way


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        give_way(
            options["database"],
            lambda: super(Command, self).handle(*args, **options),
            self.stdout.write,
        )

    def check(self, *args: Any, **kwargs: Any) -> None:
        for alias in kwargs.get("databases") or []:
            triggers.install(alias)
        super().check(*args, **kwargs)

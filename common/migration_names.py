"""The names of all migrations in the code.

They are enough to compare two versions of the code, or the code with a database. Importing the
migrations would take 2 MiB in each process, for as long as it runs.
"""

from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from django.apps import apps
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder


@cache
def in_code() -> frozenset[tuple[str, str]]:
    """Return the label of the app and the name of each migration, as Django's loader finds them."""
    return frozenset(
        (app.label, module.name)
        for app in apps.get_app_configs()
        for module in iter_modules([str(Path(app.path, "migrations"))])
        if not (module.ispkg or module.name.startswith("_"))
    )


def newest() -> dict[str, str]:
    """Return the last migration of each app, sorted by the label of the app."""
    return dict(sorted(in_code()))


def are_recorded() -> bool:
    """Return True if the database has a record of each of them. Takes two statements."""
    return in_code() <= MigrationRecorder(connection).applied_migrations().keys()

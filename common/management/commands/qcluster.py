"""`manage.py qcluster`: the worker of django-q2, in less memory."""

import gc
from typing import Any

from django.core.checks import Tags
from django_q.management.commands import qcluster

from common.checks import SETTINGS


class Command(qcluster.Command):  # type: ignore[misc]  # django-q2 has no types
    # Checks of the code would load all pages, 9 to 14 MiB that no task needs.
    requires_system_checks = [SETTINGS, Tags.files]

    def handle(self, *args: Any, **options: Any) -> None:
        # The first collection of garbage in a process would copy what it shares with the others.
        gc.freeze()
        super().handle(*args, **options)

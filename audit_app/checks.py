"""Start-up checks of the audit log."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections

from audit_app import triggers


@register(Tags.database)
def check_triggers(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"The audit log can be changed: trigger {', '.join(absent)} is not installed.",
            hint="Run `manage.py migrate`, which installs the triggers again.",
            id="audit_app.E001",
        )
        for alias in databases or []
        if triggers.LOG in connections[alias].introspection.table_names()
        and (absent := triggers.missing(alias))
    ]

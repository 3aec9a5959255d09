"""Start-up checks of the audit log."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections

from audit_app import triggers
from common.checks import SETTINGS


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


@register(SETTINGS)
def check_seal(**_: Any) -> list[CheckMessage]:
    if not settings.PRODUCTION or settings.AUDIT_SEAL_PUBLIC_KEYS_FILE.exists():
        return []
    return [
        Warning(
            "The audit log is not sealed: a change by the owner of the database stays unnoticed.",
            hint="Run `manage.py create_seal_key` on a worker host, and copy the public keys here.",
            id="audit_app.W001",
        )
    ]

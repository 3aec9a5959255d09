"""Set-up after migrate: the triggers of the append-only log, and the groups that may read it."""

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit_app"
    verbose_name = "Audit log"

    def ready(self) -> None:
        from audit_app import checks, receivers  # noqa: F401  (they register themselves)

        post_migrate.connect(prepare, sender=self)


def prepare(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Install the triggers and grant the groups their permissions; safe to repeat."""
    from audit_app import triggers
    from common import groups

    triggers.install(using)
    groups.grant(groups.SUPPORT, "audit_app.view_auditlog", "audit_app.view_auditpersonal")
    groups.grant(groups.AUDITOR, "audit_app.view_auditlog", "audit_app.export_auditlog")

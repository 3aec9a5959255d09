"""Set-up after migrate: triggers of the append-only log, schedules, groups that may read it."""

from typing import Any

from django.apps import AppConfig
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit_app"
    verbose_name = "Audit log"

    def ready(self) -> None:
        from audit_app import checks, receivers, tasks  # noqa: F401  (they register themselves)

        post_migrate.connect(prepare, sender=self)


def prepare(using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Install the triggers and grant the groups their permissions; safe to repeat."""
    from audit_app import tasks, triggers
    from common import groups
    from common.schedules import schedule_every

    triggers.install(using)
    schedule_every("seal the audit log", tasks.seal_audit, minutes=1)
    schedule_every("verify the audit log", tasks.verify_audit, minutes=60)
    groups.grant(groups.SUPPORT, "audit_app.view_auditlog", "audit_app.view_auditpersonal")
    groups.grant(groups.AUDITOR, "audit_app.view_auditlog", "audit_app.export_auditlog")

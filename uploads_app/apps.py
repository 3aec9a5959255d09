"""Schedules and group permissions, created after migrate."""

from datetime import timedelta
from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class UploadsConfig(AppConfig):
    name = "uploads_app"
    verbose_name = "Files"

    def ready(self) -> None:
        from audit_app.seal.anchors import register_anchor
        from uploads_app import checks, receivers, tasks  # noqa: F401  (importing registers them)
        from uploads_app.storage.head_anchor import StoreAnchor

        register_anchor(StoreAnchor())

        post_migrate.connect(prepare, sender=self)


def prepare(**_: Any) -> None:
    """Create the schedules and grant the groups their permissions. Can be repeated."""
    from common import groups
    from common.schedules import schedule_every
    from uploads_app import tasks
    from uploads_app.cleanup.alerts import INTERVAL

    minute = timedelta(minutes=1)
    schedule_every("clean up orphans", tasks.cleanup_orphans, minutes=INTERVAL // minute)
    schedule_every("watch the cleanup", tasks.watch_cleanup, minutes=5)
    schedule_every("inspect files", tasks.inspect_uploads, minutes=1)
    for group in (groups.SUPPORT, groups.AUDITOR):
        groups.grant(group, "uploads_app.view_uploadedfile", "uploads_app.view_quarantinedobject")
    for group in groups.ALL:
        groups.grant(group, "uploads_app.view_cleanuprun")
    for group in (groups.SUPPORT, groups.OPERATOR):
        groups.grant(group, "uploads_app.preview_cleanup")
    groups.grant(
        groups.OPERATOR,
        "uploads_app.run_cleanup",
        "uploads_app.view_quarantinedobject",
        "uploads_app.restore_quarantinedobject",
    )
    groups.grant(
        groups.SUPPORT,
        "uploads_app.quarantine_uploadedfile",
        "uploads_app.download_uploadedfile",
        "uploads_app.restore_uploadedfile",
    )

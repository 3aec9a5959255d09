"""The status above the list of cleanup runs in the admin."""

from typing import Any

from django import template
from django_q.models import Schedule

from common import context
from uploads_app.cleanup import alerts
from uploads_app.models import CleanupRun, StoreState

register = template.Library()


@register.inclusion_tag("admin/uploads_app/cleanuprun/schedule.html")
def cleanup_schedule(*, with_alert: bool = True) -> dict[str, Any]:
    """Show the schedule's last and next run, and the current alert."""
    schedule = Schedule.objects.filter(func="uploads_app.tasks.cleanup_orphans")
    alert = alerts.current_alert() if with_alert else None
    since = StoreState.objects.values_list("alert_since", flat=True)
    return {
        "last": CleanupRun.objects.filter(actor=context.SYSTEM).first(),
        "next_run": schedule.values_list("next_run", flat=True).first(),
        "alert": alert,
        "alert_since": since.first() if alert else None,
    }

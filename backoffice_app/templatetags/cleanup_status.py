"""What staff see above the cleanup's runs and the schedules: is the queue alive, what comes next.

The worker's heartbeat is the project's business, the runs are the files' app's;
here they are joined.
"""

from datetime import timedelta
from typing import Any

from django import template
from django_q.models import Schedule

from common import context
from common.worker import heartbeat_age, is_queue_well
from uploads_app.cleanup import alerts
from uploads_app.models import CleanupRun, StoreState

register = template.Library()


@register.inclusion_tag("adminkit/queue_warning.html")
def queue_warning() -> dict[str, Any]:
    """Say that nothing will run, if no worker is at work."""
    age = heartbeat_age()
    return {
        "is_well": is_queue_well(),
        "age": age,
        "minutes": age // timedelta(minutes=1) if age else 0,
    }


@register.inclusion_tag("admin/uploads_app/cleanuprun/schedule.html")
def cleanup_schedule() -> dict[str, Any]:
    """Show the last and the next run of the schedule, and what is wrong, if anything is."""
    schedule = Schedule.objects.filter(func="uploads_app.tasks.cleanup_orphans")
    return {
        "last": CleanupRun.objects.filter(actor=context.SYSTEM).first(),
        "next_run": schedule.values_list("next_run", flat=True).first(),
        "alert": alerts.current_alert(),
        "alert_since": StoreState.objects.values_list("alert_since", flat=True).first(),
    }

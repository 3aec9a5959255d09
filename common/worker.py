"""The worker's heartbeat: does a worker take tasks and finish them?"""

from datetime import datetime, timedelta

from django.utils import timezone
from django_q.models import Success

HEARTBEAT_FUNC = "maria_project.tasks.heartbeat"
# Two missed heartbeats, and the time that one may wait behind long tasks.
QUEUE_PATIENCE = timedelta(minutes=6)


def last_heartbeat() -> datetime | None:
    """Return when a worker last finished its heartbeat, None if it never did."""
    beats = Success.objects.filter(func=HEARTBEAT_FUNC).order_by("-stopped")
    last: datetime | None = beats.values_list("stopped", flat=True).first()
    return last


def heartbeat_age() -> timedelta | None:
    last = last_heartbeat()
    return timezone.now() - last if last else None


def is_queue_well() -> bool:
    age = heartbeat_age()
    return age is not None and age < QUEUE_PATIENCE

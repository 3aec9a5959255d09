"""Tasks of the project for django-q2."""

from backoffice_app.dashboard import counting
from common.schedules import task


@task
def heartbeat() -> str:
    """The worker's heartbeat: its success shows that a worker finishes tasks."""
    return "alive"


@task
def count_figures() -> int:
    """Update the dashboard's hourly figures: this hour, the last one, and missed hours."""
    return counting.count_figures()

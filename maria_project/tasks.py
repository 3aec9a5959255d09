"""What django-q2 runs for the deployment as a whole."""

from backoffice_app.dashboard import counting
from common.schedules import task


@task
def heartbeat() -> str:
    """Show, by its mere success, that a worker takes and finishes tasks."""
    return "alive"


@task
def count_figures() -> int:
    """Count what the overview shows: this hour, the one before, and hours that were missed."""
    return counting.count_figures()

"""What needs attention: problems that staff see above the dashboard, and as a badge on every page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Count, Min
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from backoffice_app.dashboard.lists import ListAccess, ListLink
from backoffice_app.hosts.differences import differences, reports
from common.worker import QUEUE_PATIENCE, heartbeat_age
from uploads_app.cleanup import alerts
from uploads_app.cleanup.stop_codes import OVERDUE
from uploads_app.models import CleanupRun, UploadedFile

# During a rush an expensive file waits for up to an hour.
INSPECTION_PATIENCE = timedelta(hours=1)
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Problem:
    """A problem, what to do about it, and the page that shows more."""

    title: str
    advice: str
    link: str = ""


def problems(access: ListAccess) -> list[Problem]:
    """Return the current problems that a staff member may see."""
    found: list[Problem] = []
    for model, check in _CHECKS:
        if access.may_open(model):
            found += check(access)
    return found


def may_see_problems(access: ListAccess) -> bool:
    return any(access.may_open(model) for model, _ in _CHECKS)


def _cleanup(access: ListAccess) -> Iterator[Problem]:
    if alert := alerts.current_alert():
        yield Problem(
            f"{_what(alert)}: {alert.sentence}",
            f"{alert.what_to_do} ({alert.code})",
            reverse("admin:uploads_app_cleanuprun_change", args=[alert.run.pk])
            if alert.run
            else access.link(ListLink(CleanupRun)),
        )


def _what(alert: alerts.CleanupAlert) -> str:
    if alert.refuses:
        return "Uploads refused"
    return "Cleanup overdue" if alert.code == OVERDUE else "Cleanup stopped"


def _worker(access: ListAccess) -> Iterator[Problem]:
    age = heartbeat_age()
    if age is None or age >= QUEUE_PATIENCE:
        silent = (
            f"Worker silent for {age // _MINUTE} min"
            if age
            else "No worker has finished a task yet"
        )
        yield Problem(
            silent,
            "Scheduled and queued tasks do not run. Start the worker.",
            access.link(ListLink(Schedule)),
        )


def _hosts(_: ListAccess) -> Iterator[Problem]:
    for difference in differences(reports()):
        yield Problem("Processes differ", difference.details, f"{reverse('admin:index')}#hosts")


def _inspection(access: ListAccess) -> Iterator[Problem]:
    late = UploadedFile.objects.uninspected().filter(
        stored_at__lt=timezone.now() - INSPECTION_PATIENCE
    )
    waiting = late.aggregate(files=Count("*"), oldest=Min("stored_at"))
    if waiting["files"]:
        minutes = (timezone.now() - waiting["oldest"]) // _MINUTE
        files = "1 file waits" if waiting["files"] == 1 else f"{waiting['files']:,} files wait"
        yield Problem(
            f"Inspection is late: {files} for up to {minutes} min",
            "Check that a worker runs and has time.",
            access.link(ListLink(UploadedFile, {"inspection__exact": "waiting"})),
        )


_CHECKS: tuple[tuple[type, Callable[[ListAccess], Iterator[Problem]]], ...] = (
    (CleanupRun, _cleanup),
    (Schedule, _worker),
    (Schedule, _hosts),
    (UploadedFile, _inspection),
)

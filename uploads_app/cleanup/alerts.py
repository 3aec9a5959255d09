"""Alerts: one mail when the cleanup fails, and one when the problem is resolved."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Min, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django_q.models import Task

from audit_app.services import record
from common.mailed_alerts import AlertState, MailedAlert, mail_administrators
from uploads_app import events
from uploads_app.cleanup.stop_codes import KILLED, OVERDUE, what_to_do
from uploads_app.models import CleanupRun, RunStatus, StoreState

logger = logging.getLogger(__name__)

# Time between two scheduled runs of the cleanup.
INTERVAL = timedelta(minutes=15)
# Two missed runs, and the time that the second may wait behind other tasks.
PATIENCE = 2 * INTERVAL + timedelta(minutes=5)
# Health checks and visitors repeat a refusal sooner, while its cause remains.
REFUSED_FOR = timedelta(hours=1)
_MAILS = MailedAlert(StoreState, "the cleanup")


@dataclass(frozen=True)
class CleanupAlert:
    """A problem of the cleanup: a code, a sentence, and the run that failed, if there is one.

    `refuses` marks the problem of a process that refuses uploads; the cleanup itself may work.
    """

    code: str
    sentence: str
    run: CleanupRun | None
    refuses: bool = False

    @property
    def what_to_do(self) -> str:
        return what_to_do(self.code)


def last_run() -> CleanupRun | None:
    """Return the last run that completed or stopped and was not a dry run."""
    ended = (RunStatus.COMPLETED, RunStatus.STOPPED)
    return _real_runs().filter(status__in=ended).exclude(stop_code=KILLED).first()


def last_good_run() -> CleanupRun | None:
    """Return the last run that completed and was not a dry run."""
    return _real_runs().filter(status=RunStatus.COMPLETED).first()


def current_alert() -> CleanupAlert | None:
    """Return the current problem of the cleanup, None if its last run completed recently.

    A killed run alone is not a failure, because the next run finishes its work.
    """
    return alert_after(last_run())


def alert_after(last: CleanupRun | None) -> CleanupAlert | None:
    """Return the same as `current_alert`, for a last run that is already known."""
    return _run_alert(last) or _refusal_alert(last)


def _run_alert(last: CleanupRun | None) -> CleanupAlert | None:
    if last and last.status == RunStatus.STOPPED:
        return CleanupAlert(last.stop_code, last.stop_sentence, last)
    if last is None and _is_new_installation():
        return None
    if last and last.started_at > timezone.now() - PATIENCE:
        return None
    killed = _real_runs().filter(stop_code=KILLED, pk__gt=last.pk if last else 0).first()
    if killed:
        return CleanupAlert(KILLED, killed.stop_sentence, killed)
    since = f"for {PATIENCE // timedelta(minutes=1)} minutes" if last else "yet"
    return CleanupAlert(OVERDUE, f"No run has completed {since}.", last)


def _refusal_alert(last: CleanupRun | None) -> CleanupAlert | None:
    refused = StoreState.objects.filter(refused_at__gt=Now() - REFUSED_FOR).first()
    if refused is None:
        return None
    sentence = "A process refuses uploads, because its store is not the store of its database."
    return CleanupAlert(refused.refused_code, sentence, last, refuses=True)


def close_dead_runs() -> int:
    """Set dead runs from `running` to `stopped`; return how many.

    A live run holds the lease from before its row exists until after the row has
    its end. So while the lease is free, each `running` row is of a dead run.
    """
    leased = StoreState.objects.filter(lease_expires_at__gt=Now())
    dead = _real_runs().filter(~Exists(leased), status=RunStatus.RUNNING)
    return sum(_close_dead_run(dead, run) for run in dead)


def watch() -> str:
    """Mail the administrators if the cleanup has failed, or the failure was resolved.

    Safe to call at any time and concurrently. If the mail cannot be sent, the next
    call tries again. Returns a sentence for the result of the queue's task.
    """
    close_dead_runs()
    found = current_alert()
    is_running = StoreState.objects.filter(lease_expires_at__gt=Now()).exists()
    if found and found.code in (KILLED, OVERDUE) and is_running:
        return "waiting for a run"
    return _MAILS.settle(found.code if found else "", lambda known: _send_alert(found, known))


def _send_alert(found: CleanupAlert | None, known: AlertState) -> None:
    if found:
        logger.error("the cleanup has failed: %s", found.sentence, extra={"code": found.code})
    else:
        logger.warning("the cleanup works again")
    good = last_good_run()
    text = render_to_string(
        "uploads_app/alert.txt" if found else "uploads_app/resolved.txt",
        {
            "alert": found,
            "since": known.since,
            "good": good,
            "link": _link(found.run if found else good),
        },
    )
    mail_administrators(_subject(found), text)


def _subject(found: CleanupAlert | None) -> str:
    if found is None:
        return "cleanup problem resolved"
    return f"{'uploads refused' if found.refuses else 'cleanup failed'} ({found.code})"


def _link(run: CleanupRun | None) -> str:
    """Return the address of a run in the admin; empty without PUBLIC_URL."""
    if run is None or not settings.PUBLIC_URL:
        return ""
    return settings.PUBLIC_URL + reverse("admin:uploads_app_cleanuprun_change", args=[run.pk])


def _is_new_installation() -> bool:
    """Return whether the first worker has started too recently to miss a run."""
    began = Task.objects.aggregate(first=Min("started"))["first"]
    return began is None or began > timezone.now() - PATIENCE


def _close_dead_run(dead: QuerySet[CleanupRun], run: CleanupRun) -> bool:
    with transaction.atomic():
        closed = dead.filter(pk=run.pk).update(
            status=RunStatus.STOPPED,
            stop_code=KILLED,
            stop_sentence="The process of the run died. Its changes before that remain.",
            finished_at=timezone.now(),
        )
        if closed:
            record(events.CLEANUP_STOPPED, target=f"cleanup_run:{run.pk}", run=run.pk, code=KILLED)
        return bool(closed)


def _real_runs() -> QuerySet[CleanupRun]:
    return CleanupRun.objects.filter(dry_run=False)

"""The alarm: whether the cleanup is in trouble, and whether administrators know.

They get one mail when trouble begins and one when it is over, however many
workers look. What they know is in StoreState: nothing (no time, no code), an
alarm (its time and its code), or a mail is on its way that may or may not have
arrived (a time without a code). Who moves from one to the next does it by a
conditional update, so that one of many sends; and it is no lock, so that a slow
mail server holds up nobody. A teller that dies is replaced after a while: a
mail arrives at least once.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, Min, QuerySet
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django_q.models import Task

from audit_app.services import record
from uploads_app import events
from uploads_app.cleanup.stop_codes import KILLED, OVERDUE, what_to_do
from uploads_app.models import CleanupRun, RunStatus, StoreState

logger = logging.getLogger(__name__)

# How often the cleanup is scheduled.
INTERVAL = timedelta(minutes=15)
# Two runs that did not come, and the time the second may wait behind other tasks.
PATIENCE = 2 * INTERVAL + timedelta(minutes=5)
# The queue kills a task after five minutes, so whoever has been sending for longer is dead.
ALERT_SEND_TIMEOUT = timedelta(minutes=6)


@dataclass(frozen=True)
class CleanupAlert:
    """What is wrong with the cleanup: a code, a sentence, and the run that shows it, if one does."""

    code: str
    sentence: str
    run: CleanupRun | None

    @property
    def what_to_do(self) -> str:
        """What a person should do about it."""
        return what_to_do(self.code)


class AlertState(NamedTuple):
    """What administrators know: see the module."""

    since: datetime | None = None
    code: str = ""

    @property
    def is_on_its_way(self) -> bool:
        """Whether a mail is being sent, or was when its sender died."""
        return self.since is not None and not self.code


def last_run() -> CleanupRun | None:
    """Return the last run that came to its end, well or stopped, and was no dry run."""
    ended = (RunStatus.COMPLETED, RunStatus.STOPPED)
    return _real_runs().filter(status__in=ended).exclude(stop_code=KILLED).first()


def last_good_run() -> CleanupRun | None:
    """Return the last run that went through and was no dry run."""
    return _real_runs().filter(status=RunStatus.COMPLETED).first()


def current_alert() -> CleanupAlert | None:
    """Say what is wrong with the cleanup, None if it is well: its last run went through, and lately.

    A run that was killed is no trouble by itself, because the next one finishes
    it; that no run goes through any more is.
    """
    return alert_after(last_run())


def alert_after(last: CleanupRun | None) -> CleanupAlert | None:
    """Say the same, if the last run is known."""
    if last and last.status == RunStatus.STOPPED:
        return CleanupAlert(last.stop_code, last.stop_sentence, last)
    if last and last.started_at > timezone.now() - PATIENCE:
        return None
    killed = _real_runs().filter(stop_code=KILLED, pk__gt=last.pk if last else 0).first()
    if killed:
        return CleanupAlert(KILLED, killed.stop_sentence, killed)
    since = f"for {PATIENCE // timedelta(minutes=1)} minutes" if last else "yet"
    return CleanupAlert(OVERDUE, f"No run has gone through {since}.", last)


def close_dead_runs() -> int:
    """Write down that runs have died which still say `running`; return how many.

    A run that is alive holds the lease from before its row is there until after
    the row says how it ended. So while the lease is free, no such row is alive.
    """
    leased = StoreState.objects.filter(lease_expires_at__gt=Now())
    dead = _real_runs().filter(~Exists(leased), status=RunStatus.RUNNING)
    return sum(_close_dead_run(dead, run) for run in dead)


def watch() -> str:
    """Mail the administrators if the cleanup got into trouble, or out of it, since they were told.

    Safe to call at any time and by many at once. If the mail cannot be sent,
    the next call tries again. Returns, for the queue's record, what it did.
    """
    close_dead_runs()
    found = current_alert()
    if found and found.code in (KILLED, OVERDUE) and _may_yet_run():
        return "waiting for a run"
    known = _alert_state()
    if known.is_on_its_way:
        if _age(known) < ALERT_SEND_TIMEOUT:
            return "another is telling"
    elif bool(found) == bool(known.code):
        return "nothing new"
    return _send_alert_once(found, known)


def _send_alert_once(found: CleanupAlert | None, known: AlertState) -> str:
    """Tell of `found`, or that all is well, unless somebody else does."""
    on_its_way = AlertState(timezone.now())
    StoreState.objects.get_or_create(singleton=StoreState.SINGLETON)
    if not _move(known, on_its_way):
        return "another is telling"
    try:
        _send_alert(found, known.since)
    except OSError:  # smtplib's errors are, too
        logger.exception("the mail about the cleanup could not be sent; it is tried again")
        _move(on_its_way, known)
        return "not told"
    _move(on_its_way, AlertState(on_its_way.since, found.code) if found else AlertState())
    return "told"


def _send_alert(found: CleanupAlert | None, since: datetime | None) -> None:
    if found:
        logger.error("the cleanup is in trouble: %s", found.sentence, extra={"code": found.code})
    else:
        logger.warning("the cleanup is well again")
    if not settings.ALERT_EMAILS:
        return
    good = last_good_run()
    text = render_to_string(
        "uploads_app/alert.txt" if found else "uploads_app/resolved.txt",
        {
            "alert": found,
            "since": since,
            "good": good,
            "link": _link(found.run if found else good),
        },
    )
    what = f"the cleanup needs you ({found.code})" if found else "the cleanup is well again"
    send_mail(f"{_place()}: {what}", text, None, settings.ALERT_EMAILS)


def _place() -> str:
    host = urlsplit(settings.PUBLIC_URL).netloc
    return f"Maria at {host}" if host else "Maria"


def _link(run: CleanupRun | None) -> str:
    """Return the address of a run in the admin; empty where nobody knows our own."""
    if run is None or not settings.PUBLIC_URL:
        return ""
    return settings.PUBLIC_URL + reverse("admin:uploads_app_cleanuprun_change", args=[run.pk])


def _may_yet_run() -> bool:
    """Say whether a missing run is under way, or no worker was there for long enough to miss one."""
    if StoreState.objects.filter(lease_expires_at__gt=Now()).exists():
        return True
    if last_run():
        return False
    began = Task.objects.aggregate(first=Min("started"))["first"]
    return began is None or began > timezone.now() - PATIENCE


def _alert_state() -> AlertState:
    row = StoreState.objects.values_list("alert_since", "alert_code").first()
    return AlertState(*row) if row else AlertState()


def _age(state: AlertState) -> timedelta:
    return timezone.now() - state.since if state.since else timedelta(0)


def _move(before: AlertState, after: AlertState) -> bool:
    """Change what is known, unless somebody else has."""
    unchanged = StoreState.objects.filter(alert_since=before.since, alert_code=before.code)
    return bool(unchanged.update(alert_since=after.since, alert_code=after.code))


def _close_dead_run(dead: QuerySet[CleanupRun], run: CleanupRun) -> bool:
    with transaction.atomic():
        closed = dead.filter(pk=run.pk).update(
            status=RunStatus.STOPPED,
            stop_code=KILLED,
            stop_sentence="The run's process died; what it had done by then is done.",
            finished_at=timezone.now(),
        )
        if closed:
            record(events.CLEANUP_STOPPED, target=f"cleanup_run:{run.pk}", run=run.pk, code=KILLED)
        return bool(closed)


def _real_runs() -> QuerySet[CleanupRun]:
    return CleanupRun.objects.filter(dry_run=False)

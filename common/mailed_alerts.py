"""Mails about a problem: one when it begins, and one when it is resolved.

A table has one row, whose `singleton` is 1. `alert_since` and `alert_code` of that row
hold what the administrators know: nothing (no time, no code), an alert (its time and
code), or a mail that is being sent (a time without a code). Each change is a conditional
update, so only one of many workers sends. It is not a lock, so a slow mail server blocks
nothing. If the sender dies, another worker sends after a while: each mail arrives at
least once.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Model, QuerySet
from django.utils import timezone

logger = logging.getLogger(__name__)

# The queue kills a task after five minutes, so a sender that takes longer is dead.
ALERT_SEND_TIMEOUT = timedelta(minutes=6)


class AlertState(NamedTuple):
    """What the administrators know, as the module describes."""

    since: datetime | None = None
    code: str = ""

    @property
    def is_on_its_way(self) -> bool:
        """Whether a mail is being sent, or its sender has died."""
        return self.since is not None and not self.code


class MailedAlert:
    """The mails about one subject, which logs name, like `the cleanup`."""

    def __init__(self, model: type[Model], subject: str) -> None:
        self._rows: QuerySet[Any] = model._default_manager.all()
        self._subject = subject

    def state(self) -> AlertState:
        row = self._rows.values_list("alert_since", "alert_code").first()
        return AlertState(*row) if row else AlertState()

    def settle(self, code: str, send: Callable[[AlertState], None]) -> str:
        """Call `send` if administrators do not know yet that `code`, or no problem, is the case.

        `send` gets what they know. If it raises OSError, the next call tries again. Returns
        a sentence for the result of the queue's task.
        """
        known = self.state()
        if known.is_on_its_way:
            if _age(known) < ALERT_SEND_TIMEOUT:
                return "another worker is sending"
        elif bool(code) == bool(known.code):
            return "no change"
        return self._send_once(code, known, send)

    def _send_once(self, code: str, known: AlertState, send: Callable[[AlertState], None]) -> str:
        on_its_way = AlertState(timezone.now())
        self._rows.get_or_create(singleton=1)
        if not self._move(known, on_its_way):
            return "another worker is sending"
        try:
            send(known)
        except OSError:  # includes the errors of smtplib
            logger.exception(
                "the mail about %s could not be sent; the next check tries again", self._subject
            )
            self._move(on_its_way, known)
            return "not sent"
        self._move(on_its_way, AlertState(on_its_way.since, code) if code else AlertState())
        return "sent"

    def _move(self, before: AlertState, after: AlertState) -> bool:
        """Change the state; False if another worker has changed it."""
        unchanged = self._rows.filter(alert_since=before.since, alert_code=before.code)
        return bool(unchanged.update(alert_since=after.since, alert_code=after.code))


def mail_administrators(subject: str, text: str) -> None:
    """Send a mail to ALERT_EMAILS, if there are any. The subject begins with the place."""
    host = urlsplit(settings.PUBLIC_URL).netloc
    place = f"Maria at {host}" if host else "Maria"
    if settings.ALERT_EMAILS:
        send_mail(f"{place}: {subject}", text, None, settings.ALERT_EMAILS)


def _age(state: AlertState) -> timedelta:
    return timezone.now() - state.since if state.since else timedelta(0)

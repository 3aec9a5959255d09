"""Records which staff opened pages about visitors, and reveals personal values for 15 minutes.

A reveal is about sessions, not about a page: each page shows the values of the
sessions that were revealed to this browser, and masks all others.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from audit_app import events
from audit_app.adminkit.polls import is_poll
from audit_app.models import AuditLog
from audit_app.services import Entry, record_many
from common import context

REVEALED_FOR = timedelta(minutes=15)
VIEW_INTERVAL = timedelta(hours=1)
MAY_REVEAL = "audit_app.view_auditpersonal"
_REVEALED = "revealed"


def record_view(
    *, session_uuids: Sequence[uuid.UUID], page: str, interval: timedelta = VIEW_INTERVAL
) -> None:
    """Record that the current staff member sees these sessions; once in `interval` for each session."""
    actor = context.current().actor
    recent = AuditLog.objects.filter(
        session_uuid__in=session_uuids,
        event_type=events.STAFF_SESSION_VIEWED.name,
        actor=actor,
        occurred_at__gt=timezone.now() - interval,
    )
    seen = set(recent.values_list("session_uuid", flat=True))
    unseen = [Entry(one, details={"page": page}) for one in session_uuids if one not in seen]
    if unseen:
        with transaction.atomic():
            record_many(events.STAFF_SESSION_VIEWED, unseen)


def view_interval(request: HttpRequest) -> timedelta:
    """Return the time in which no second view is recorded.

    An open page polls for at most as long as its staff session lasts, so its polls record nothing.
    """
    return VIEW_INTERVAL + (settings.STAFF_SESSION_LIMIT if is_poll(request) else timedelta(0))


def reveal(
    request: HttpRequest, *, session_uuids: Sequence[uuid.UUID], page: str, reason: str
) -> None:
    """Record the reason for each session, and reveal its values to this browser for 15 minutes.

    A page about no session is revealed alone.
    """
    subjects: Sequence[uuid.UUID | None] = session_uuids or [None]
    details = {"page": page, "reason": reason}
    with transaction.atomic():
        record_many(events.STAFF_REVEALED, [Entry(one, details=details) for one in subjects])
    now = timezone.now().timestamp()
    kept = {key: until for key, until in _revealed(request).items() if until > now}
    until = now + REVEALED_FOR.total_seconds()
    request.session[_REVEALED] = kept | dict.fromkeys(_keys(session_uuids, page), until)


def is_revealed(request: HttpRequest, session_uuids: Sequence[uuid.UUID], page: str = "") -> bool:
    """Return whether this staff member may see the values of all these sessions now.

    Without sessions the answer is about the page.
    """
    return revealed_until(request, session_uuids, page) is not None


def revealed_until(
    request: HttpRequest, session_uuids: Sequence[uuid.UUID], page: str = ""
) -> datetime | None:
    """Return until when the values are revealed; None if they are masked."""
    if not request.user.has_perm(MAY_REVEAL):
        return None
    until = min(_revealed(request).get(key, 0) for key in _keys(session_uuids, page))
    if until > timezone.now().timestamp():
        return datetime.fromtimestamp(until, UTC)
    return None


def _keys(session_uuids: Sequence[uuid.UUID], page: str) -> list[str]:
    return [f"session:{one}" for one in session_uuids] or [f"page:{page}"]


def _revealed(request: HttpRequest) -> dict[str, float]:
    revealed: dict[str, float] = request.session.get(_REVEALED, {})
    return revealed

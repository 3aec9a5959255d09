"""Records which staff opened pages about visitors, and reveals personal values for 15 minutes."""

import uuid
from collections.abc import Sequence
from datetime import timedelta

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
    """Record the reason, and reveal a page's personal values to this browser for 15 minutes."""
    subjects: Sequence[uuid.UUID | None] = session_uuids or [None]
    details = {"page": page, "reason": reason}
    with transaction.atomic():
        record_many(events.STAFF_REVEALED, [Entry(one, details=details) for one in subjects])
    now = timezone.now().timestamp()
    pages = {name: until for name, until in _pages(request).items() if until > now}
    request.session[_REVEALED] = pages | {page: now + REVEALED_FOR.total_seconds()}


def is_revealed(request: HttpRequest, page: str) -> bool:
    """Return whether this staff member may see the page's personal values now."""
    until = _pages(request).get(page, 0)
    return until > timezone.now().timestamp() and request.user.has_perm(MAY_REVEAL)


def _pages(request: HttpRequest) -> dict[str, float]:
    pages: dict[str, float] = request.session.get(_REVEALED, {})
    return pages

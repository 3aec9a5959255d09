"""Staff sessions: an idle limit, an absolute limit, and sign-out everywhere.

Both limits are in the expiry of Django's session row and cookie.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from audit_app import events
from audit_app.adminkit.polls import is_poll
from audit_app.services import record
from backoffice_app.accounts.session_store import SessionStore, stored_key
from common import context
from common.masking import mask_user_agent

# Write at most once in this time.
SEEN_INTERVAL = timedelta(minutes=1)
_SIGNED_IN, _SEEN, _NETWORK, _BROWSER = "signed_in_at", "seen_at", "network", "browser"


@dataclass(frozen=True)
class SignIn:
    """A session of a staff member, by the key of its row."""

    key: str
    signed_in: datetime
    seen: datetime
    network: str
    browser: str
    is_current: bool


def staff_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: extend a staff session that was used, up to the absolute limit."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Requests that never read the session do not extend it. Polls read it, but nobody acts.
        if request.session.accessed and not is_poll(request) and SESSION_KEY in request.session:
            _keep_alive(request.session)
        return response

    return middleware


def end_sessions(user: User, *, but: SessionBase | None = None) -> int:
    """End all sessions of a staff member except `but`; return their number.

    Reads every live Django session. Only staff have one, so there are few.
    """
    keys = [key for key, _ in _live(user) if key != _key_of(but)]
    return Session.objects.filter(pk__in=keys).delete()[0]


def own(request: HttpRequest) -> list[SignIn]:
    """Return where the signed-in user is signed in, the last sign-in first."""
    current = _key_of(request.session)
    found = [
        SignIn(
            key,
            _time(data.get(_SIGNED_IN)),
            _time(data.get(_SEEN)),
            data.get(_NETWORK, ""),
            data.get(_BROWSER, ""),
            key == current,
        )
        for key, data in _live(request.user)
    ]
    return sorted(found, key=lambda one: one.signed_in, reverse=True)


def end_own(request: HttpRequest, key: str = "") -> int:
    """End another session of the signed-in user, or all others; return their number."""
    others = [one.key for one in own(request) if not one.is_current and key in ("", one.key)]
    with transaction.atomic():
        ended = Session.objects.filter(pk__in=others).delete()[0]
        if ended:
            record(events.STAFF_SIGNED_OUT_ELSEWHERE, sessions=ended)
    return ended


def _live(user: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the key of the row and the data of each live session of a user."""
    for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        data = row.get_decoded()
        if data.get(SESSION_KEY) == str(user.pk):
            yield row.pk, data


def _key_of(session: SessionBase | None) -> str:
    return stored_key(session.session_key) if session and session.session_key else ""


def _time(timestamp: float | None) -> datetime:
    return datetime.fromtimestamp(timestamp or 0, UTC)


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: Any) -> None:
    """Start the limits of a session, and delete expired rows."""
    SessionStore.clear_expired()
    request.session[_SIGNED_IN] = timezone.now().timestamp()
    request.session[_NETWORK] = context.current().network
    request.session[_BROWSER] = mask_user_agent(context.current().user_agent)
    request.session.pop(_SEEN, None)
    _keep_alive(request.session)


@receiver(user_logged_out)
def end(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Sign out in every browser."""
    if user is not None:
        end_sessions(user, but=request.session)


def _keep_alive(session: SessionBase) -> None:
    now = timezone.now().timestamp()
    if now - session.get(_SEEN, 0) < SEEN_INTERVAL.total_seconds():
        return
    signed_in = session.setdefault(_SIGNED_IN, now)
    left = signed_in + settings.STAFF_SESSION_LIMIT.total_seconds() - now
    if left <= 0:  # the limit was shortened
        session.flush()
        return
    session[_SEEN] = now
    session.set_expiry(int(min(left, settings.STAFF_IDLE_LIMIT.total_seconds())))

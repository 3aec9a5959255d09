"""How long staff stay signed in: while they work, and never longer than a working day.

Both limits are in the expiry of Django's own session row and cookie.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

# A page a second is not a write a second.
SEEN_INTERVAL = timedelta(minutes=1)
_SIGNED_IN, _SEEN = "signed_in_at", "seen_at"


def staff_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Keep the session of whoever works with it alive, up to its absolute limit."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Whoever did not ask for the session did not work with it.
        if request.session.accessed and SESSION_KEY in request.session:
            _keep_alive(request.session)
        return response

    return middleware


def end_sessions(user: User, *, but: str | None = None) -> int:
    """End all sessions of a staff member except one, named by its key; return how many ended.

    It reads every live session: staff are few, and visitors have none of these.
    """
    live = Session.objects.filter(expire_date__gt=timezone.now()).exclude(session_key=but)
    theirs = [
        session.pk
        for session in live.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    return Session.objects.filter(pk__in=theirs).delete()[0]


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: Any) -> None:
    """Start the clocks of a session, and remove rows whose time is over."""
    SessionStore.clear_expired()
    request.session[_SIGNED_IN] = timezone.now().timestamp()
    request.session.pop(_SEEN, None)
    _keep_alive(request.session)


@receiver(user_logged_out)
def end(request: HttpRequest, user: User | None, **_: Any) -> None:
    """Whoever signs out is signed out in every browser."""
    if user is not None:
        end_sessions(user, but=request.session.session_key)


def _keep_alive(session: SessionBase) -> None:
    now = timezone.now().timestamp()
    if now - session.get(_SEEN, 0) < SEEN_INTERVAL.total_seconds():
        return
    signed_in = session.setdefault(_SIGNED_IN, now)
    left = signed_in + settings.STAFF_SESSION_LIMIT.total_seconds() - now
    if left <= 0:  # the limit was shortened meanwhile
        session.flush()
        return
    session[_SEEN] = now
    session.set_expiry(int(min(left, settings.STAFF_IDLE_LIMIT.total_seconds())))

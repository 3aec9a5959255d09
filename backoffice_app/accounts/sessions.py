"""Staff sessions: an idle limit, an absolute limit, and sign-out everywhere.

Both limits are in the expiry of Django's session row and cookie.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from backoffice_app.accounts.session_store import SessionStore, stored_key

# Write at most once in this time.
SEEN_INTERVAL = timedelta(minutes=1)
_SIGNED_IN, _SEEN = "signed_in_at", "seen_at"


def staff_sessions(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: extend a staff session that was used, up to the absolute limit."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        # Requests that never read the session do not extend it.
        if request.session.accessed and SESSION_KEY in request.session:
            _keep_alive(request.session)
        return response

    return middleware


def end_sessions(user: User, *, but: SessionBase | None = None) -> int:
    """End all sessions of a staff member except `but`; return their number.

    Reads every live Django session. Only staff have one, so there are few.
    """
    live = Session.objects.filter(expire_date__gt=timezone.now())
    if but is not None and but.session_key:
        live = live.exclude(pk=stored_key(but.session_key))
    keys = [
        session.pk
        for session in live.iterator()
        if session.get_decoded().get(SESSION_KEY) == str(user.pk)
    ]
    return Session.objects.filter(pk__in=keys).delete()[0]


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: Any) -> None:
    """Start the limits of a session, and delete expired rows."""
    SessionStore.clear_expired()
    request.session[_SIGNED_IN] = timezone.now().timestamp()
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

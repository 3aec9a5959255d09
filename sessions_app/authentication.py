"""How a request proves its session, and how it is refused."""

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from sessions_app import limits
from sessions_app.credentials import Credential, read_credential
from sessions_app.exceptions import (
    SessionHeaderRequired,
    SessionInvalid,
    SessionMismatch,
    SessionRequired,
    refused,
)
from sessions_app.models import RetiredToken, SessionStatus, UserSession
from sessions_app.services import (
    expire_session,
    mark_retired_used,
    mark_token_used,
    touch_session,
)
from sessions_app.signals import describe
from sessions_app.uuid_helpers import UuidMalformed, parse_uuid

HEADER = "X-Session-UUID"


class ProvenSession(BaseAuthentication):
    """A live session, proven by its token. `request.auth` is the UserSession.

    The header X-Session-UUID can only cause refusal, never select a row; it is
    required on changes proven by the cookie, because a foreign page cannot
    send it unnoticed. A view's `also_accepted` names, for an action, in which
    other states a session is let in.
    """

    def authenticate(self, request: Request) -> tuple[None, UserSession] | None:
        credential = read_credential(request._request)
        if credential is None:
            return None
        session = find_session(credential)
        if session is None or not _is_accepted(session, request):
            # Counted after the look-up: bad proofs must not lock out good ones of the same address.
            limits.enforce(request._request, "failed_proof")
            raise SessionInvalid(session, describe(session, "lost") if session else None)
        _check_name(request, session, credential)
        return None, session

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class HasSession(BasePermission):
    """Refuse with 401 `session_required` whoever proves no session."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            raise SessionRequired
        return True


def find_proven(request: HttpRequest) -> UserSession | None:
    """Return the session that the request proves, in whatever state, or None."""
    credential = read_credential(request)
    return find_session(credential) if credential else None


def find_session(credential: Credential) -> UserSession | None:
    """Return the session that a credential proves, in whatever state, or None.

    A session whose time has run out is recorded as expired on the way; a live
    one is noted as seen.
    """
    if credential.token_hash is None:
        return None
    # `read_at` is the database's time: it decides, whatever a web host's clock says.
    sessions = UserSession.objects.annotate(read_at=Now())
    session = _first(sessions.filter(token_hash=credential.token_hash))
    if session is not None:
        session.proof = credential
        _note_proof(session)
        return session
    still_good = Q(good_until=None) | Q(good_until__gt=Now())
    retired = RetiredToken.objects.filter(still_good, token_hash=credential.token_hash)
    session = _first(sessions.filter(pk__in=retired.values("session")))
    if session is not None:
        session.proof = credential
        _note_seen(session)
        mark_retired_used(session=session, token_hash=credential.token_hash, now=_read_at(session))
    return session


def _is_accepted(session: UserSession, request: Request) -> bool:
    view = request.parser_context["view"]
    return session.status in {SessionStatus.ACTIVE, *view.also_accepted.get(view.action, ())}


def _first(sessions: QuerySet[UserSession]) -> UserSession | None:
    """Return the one session there is; without an order, which a unique key does not need."""
    return next(iter(sessions.order_by()[:1]), None)


def _note_proof(session: UserSession) -> None:
    _note_seen(session)
    if session.token_used_at is None and session.status == SessionStatus.ACTIVE:
        mark_token_used(session=session, now=_read_at(session))


def _note_seen(session: UserSession) -> None:
    if session.status != SessionStatus.ACTIVE:
        return
    if session.expires_at > _read_at(session):
        touch_session(session=session, now=_read_at(session))
    elif not expire_session(session=session):
        session.refresh_from_db()  # somebody else recorded it, or has just touched it


def _read_at(session: UserSession) -> datetime:
    read_at: datetime = session.read_at  # type: ignore[attr-defined]  # annotated by find_session
    return read_at


def _check_name(request: Request, session: UserSession, credential: Credential) -> None:
    name = request.headers.get(HEADER)
    if name is None:
        if credential.carrier == "cookie" and request.method not in SAFE_METHODS:
            raise SessionHeaderRequired
        return
    try:
        named = parse_uuid(name)
    except UuidMalformed as error:
        error.refusal = refused(error.default_code, session)
        raise
    if named != session.uuid:
        raise SessionMismatch(session)

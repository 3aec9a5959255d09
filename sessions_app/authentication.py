"""How a request proves its session, and how it is refused."""

from datetime import datetime
from typing import Any

from django.db.models.functions import Now
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from sessions_app import limits
from sessions_app.credentials import has_proof, hash_token, read_token
from sessions_app.exceptions import (
    SessionHeaderRequired,
    SessionInvalid,
    SessionMismatch,
    SessionRequired,
    UuidMalformed,
    refused,
)
from sessions_app.models import Status, UserSession
from sessions_app.services import expire_session, touch_session
from sessions_app.signals import describe
from sessions_app.uuid_helpers import parse_uuid

HEADER = "X-Session-UUID"


class ProvenSession(BaseAuthentication):
    """A live session, proven by its token. `request.auth` is the UserSession.

    The header X-Session-UUID can only cause refusal, never select a row; it is
    required on changes, because a foreign page cannot send it unnoticed.
    """

    accepted: frozenset[str] = frozenset({Status.ACTIVE})

    def authenticate(self, request: Request) -> tuple[None, UserSession] | None:
        if not has_proof(request._request):
            return None
        session = find_proven(request._request)
        if session is None or session.status not in self.accepted:
            # Counted after the look-up: bad proofs must not lock out good ones of the same address.
            limits.enforce(request._request, "failed_proof")
            raise SessionInvalid(session, describe(session)["lost"] if session else None)
        _check_name(request, session)
        return None, session

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class ProvenOrExpiredSession(ProvenSession):
    """Also a session whose time has run out: its visitor may still reset it."""

    accepted = frozenset({Status.ACTIVE, Status.EXPIRED})


class HasSession(BasePermission):
    """Refuse with 401 `session_required` whoever proves no session."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            raise SessionRequired
        return True


def find_proven(request: HttpRequest) -> UserSession | None:
    """Return the session whose token the request carries, in whatever state, or None.

    A session whose time has run out is recorded as expired on the way; a live
    one is noted as seen.
    """
    token = read_token(request)
    if token is None:
        return None
    # `read_at` is the database's time: it decides, whatever a web host's clock says.
    session = (
        UserSession.objects.annotate(read_at=Now()).filter(token_hash=hash_token(token)).first()
    )
    if session is None or session.status != Status.ACTIVE:
        return session
    now: datetime = session.read_at  # type: ignore[attr-defined]  # annotated above
    if session.expires_at <= now:
        if not expire_session(session=session):
            session.refresh_from_db()  # somebody else recorded it, or has just touched it
    else:
        touch_session(session=session, now=now)
    return session


def _check_name(request: Request, session: UserSession) -> None:
    name = request.headers.get(HEADER)
    if name is None:
        if request.method not in SAFE_METHODS:
            raise SessionHeaderRequired
        return
    try:
        named = parse_uuid(name)
    except UuidMalformed as error:
        error.refusal = refused(error.default_code, session)
        raise
    if named != session.uuid:
        raise SessionMismatch(session)

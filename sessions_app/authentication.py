"""Visitors' authentication: which session a request proves, and when it is refused."""

from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.http.request import HttpHeaders
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
)
from sessions_app.models import RetiredToken, SessionStatus, UserSession
from sessions_app.proofs import Proof
from sessions_app.services.sessions import expire_session, session_invalid, touch_session
from sessions_app.services.tokens import mark_token_used
from sessions_app.signals import describe
from sessions_app.uuid_helpers import UuidMalformed, parse_uuid

HEADER = "X-Session-UUID"
# `request.headers` would parse every header of the request.
_HEADER_IN_META = HttpHeaders.to_wsgi_name(HEADER)


class ProvenSession(BaseAuthentication):
    """A live session, proven by its token. `request.auth` is a Proof.

    The header X-Session-UUID can only cause refusal, never select a row. It is
    required on changes proven by the cookie, because a foreign page cannot
    send it without a preflight. A view's `also_accepted` maps an action to the
    further states in which it accepts a session.
    """

    def authenticate(self, request: Request) -> tuple[None, Proof] | None:
        credential = read_credential(request._request)
        if credential is None:
            return None
        proof = _prove(credential)
        if proof is None or not _is_accepted(proof.session, request):
            # Counted after the look-up: bad proofs must not lock out good ones of the same address.
            limits.enforce(request._request, "failed_proof")
            if proof is None:
                raise SessionInvalid
            raise session_invalid(proof.session, describe(proof.session, "lost"))
        _check_header(request, proof)
        return None, proof

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class HasSession(BasePermission):
    """Refuse a request without a proven session: 401 `session_required`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            raise SessionRequired
        return True


def find_proven(request: HttpRequest) -> Proof | None:
    """Return which session the request proves, in any state, or None.

    If the session's time has run out, mark it as expired; if it is live, record
    its activity.
    """
    credential = read_credential(request)
    return _prove(credential) if credential else None


def _prove(credential: Credential) -> Proof | None:
    if credential.token_hash is None:
        return None
    proof = _read(UserSession.objects.filter(token_hash=credential.token_hash), credential)
    if proof is not None:
        _record_activity(proof)
        if proof.session.token_used_at is None and proof.session.status == SessionStatus.ACTIVE:
            mark_token_used(session=proof.session, now=proof.read_at)
        return proof
    retired = RetiredToken.objects.good().filter(token_hash=credential.token_hash)
    proof = _read(UserSession.objects.filter(pk__in=retired.values("session")), credential)
    if proof is not None:
        _record_activity(proof)
    return proof


def _read(sessions: QuerySet[UserSession], credential: Credential) -> Proof | None:
    """Return the proof of the only session in `sessions`, read with the database's time.

    The database's time decides, because the clocks of web hosts may differ. A
    unique key needs no order.
    """
    session = next(iter(sessions.annotate(read_at=Now()).order_by()[:1]), None)
    if session is None:
        return None
    read_at: datetime = vars(session).pop("read_at")
    return Proof(session, credential.carrier, credential.token_hash, read_at)


def _is_accepted(session: UserSession, request: Request) -> bool:
    view = request.parser_context["view"]
    return session.status in {SessionStatus.ACTIVE, *view.also_accepted.get(view.action, ())}


def _record_activity(proof: Proof) -> None:
    session = proof.session
    if session.status != SessionStatus.ACTIVE:
        return
    if session.expires_at > proof.read_at:
        touch_session(session=session, now=proof.read_at)
    elif not expire_session(session=session):
        session.refresh_from_db()  # another request has expired or touched it meanwhile


def _check_header(request: Request, proof: Proof) -> None:
    name = request._request.META.get(_HEADER_IN_META)
    if name is None:
        if proof.carrier == "cookie" and request.method not in SAFE_METHODS:
            raise SessionHeaderRequired(proof.session.uuid)
        return
    try:
        session_uuid = parse_uuid(name)
    except UuidMalformed:
        raise UuidMalformed(proof.session.uuid) from None
    if session_uuid != proof.session.uuid:
        raise SessionMismatch(proof.session.uuid, proof.session.support_code)

"""Visitors' authentication: which session a request proves, and when it is refused."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models.functions import Now
from django.http import HttpRequest
from django.http.request import HttpHeaders
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from common.statements import Argument, CompiledSelect
from sessions_app import limits
from sessions_app.credentials import Credential, read_credential
from sessions_app.exceptions import (
    SessionHeaderRequired,
    SessionInvalid,
    SessionMismatch,
    SessionRequired,
)
from sessions_app.models import (
    RetiredToken,
    SessionQuerySet,
    SessionStatus,
    UserSession,
    join_answers,
)
from sessions_app.proofs import Proof, ProofWithNews
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
    further states in which it accepts a session; `described` holds the actions
    that answer with what `SessionQuerySet.described` reads.
    """

    def authenticate(self, request: Request) -> tuple[None, Proof] | None:
        credential = read_credential(request._request)
        if credential is None:
            return None
        proof = self.prove(credential, request.parser_context["view"])
        if proof is None or not _is_accepted(proof.session, request):
            # Counted after the look-up: bad proofs must not lock out good ones of the same address.
            limits.enforce(request._request, "failed_proof")
            if proof is None:
                raise SessionInvalid
            raise session_invalid(proof.session, describe(proof.session, "lost"))
        _check_header(request, proof)
        return None, proof

    def prove(self, credential: Credential, view: Any) -> Proof | None:
        return _prove(credential, described=view.action in view.described)

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class PolledSession(ProvenSession):
    """A live session whose page only asks for news: one statement, and nothing is written.

    The request is not an activity. It does not extend the session, and it does not
    count as the first use of a token. `request.auth` is a ProofWithNews.
    """

    def prove(self, credential: Credential, view: Any) -> Proof | None:
        if credential.token_hash is None:
            return None
        rows = _POLLED.read(token_hash=credential.token_hash)
        shown = {(getattr(row, "file"), getattr(row, "file_status")) for row in rows}  # noqa: B009
        files = tuple(sorted(file for file in shown if file[0]))
        proof = _first(join_answers(rows), credential)
        if proof is None:
            return None
        if is_due(proof):
            proof.session.status = SessionStatus.EXPIRED  # Another request will write it.
        return ProofWithNews(**vars(proof), files=files)


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


def _prove(credential: Credential, *, described: bool = False) -> Proof | None:
    token_hash = credential.token_hash
    if token_hash is None:
        return None
    rows = _read_described(token_hash) if described else _PROVEN.read(token_hash=token_hash)
    if proof := _first(rows, credential):
        _record_activity(proof)
        if proof.session.token_used_at is None and proof.session.status == SessionStatus.ACTIVE:
            mark_token_used(session=proof.session, now=proof.read_at)
        return proof
    retired = RetiredToken.objects.good().filter(token_hash=token_hash)
    sessions = UserSession.objects.filter(pk__in=retired.values("session"))
    if proof := _first(_with_time(sessions)[:1], credential):
        _record_activity(proof)
    return proof


def _with_time(sessions: SessionQuerySet) -> SessionQuerySet:
    """Read sessions with the database's time, because the clocks of web hosts may differ.

    A unique key needs no order.
    """
    return sessions.annotate(read_at=Now()).order_by()


def _by_token() -> SessionQuerySet:
    token_hash = Argument("token_hash", UserSession._meta.get_field("token_hash"))
    return _with_time(UserSession.objects.filter(token_hash=token_hash))


_PROVEN = CompiledSelect(_by_token)
_DESCRIBED = CompiledSelect(lambda: _by_token().described())


def _by_any_token() -> SessionQuerySet:
    """Also read what a page shows of the session and its files: one row for each file and consent."""
    token_hash = Argument("token_hash", UserSession._meta.get_field("token_hash"))
    newest = UserSession.objects.order_by().filter(token_hash=token_hash).values("pk")
    retired = RetiredToken.objects.good().filter(token_hash=token_hash).values("session")
    # A union of two look-ups by index. PostgreSQL would read the whole table for an OR.
    proven = UserSession.objects.filter(pk__in=newest.union(retired, all=True))
    return _with_time(proven.described().annotate(**describe(None, "revision")))


_POLLED = CompiledSelect(_by_any_token)


def _read_described(token_hash: str) -> list[UserSession]:
    return join_answers(_DESCRIBED.read(token_hash=token_hash))


def _first(sessions: Iterable[UserSession], credential: Credential) -> Proof | None:
    session = next(iter(sessions), None)
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
    if not is_due(proof):
        touch_session(session=session, now=proof.read_at)
    elif not expire_session(session=session):
        session.refresh_from_db()  # another request has expired or touched it meanwhile


def is_due(proof: Proof) -> bool:
    """Say whether the session's time has run out, but no request or worker has marked it yet."""
    session = proof.session
    return session.status == SessionStatus.ACTIVE and session.expires_at <= proof.read_at


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

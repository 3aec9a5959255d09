"""The life cycle of a session. Each change and its audit event share one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.services import record
from common.statements import CompiledInsert, writing
from sessions_app import events
from sessions_app.credentials import LONGEST_EXTENSION, Carrier, generate_token, hash_token
from sessions_app.exceptions import SessionInvalid, SessionNotActive
from sessions_app.models import TOUCH_INTERVAL, SessionQuerySet, SessionStatus, UserSession
from sessions_app.proofs import Proof
from sessions_app.services.tokens import REPEATABLE, is_newest, replace_token
from sessions_app.signals import describe

SWEEP_BATCH = 500
_CODE_DRAWS = 5
# The visitor left a session of another person: whoever still has its token must not follow.
_FOREIGN = frozenset({"not_me", "mismatch"})
_SESSIONS = CompiledInsert(UserSession)


@dataclass(frozen=True)
class IssuedSession:
    """A new session and its token, which exists in clear only here."""

    session: UserSession
    token: str


def issue_session(
    *,
    carrier: Carrier = "cookie",
    predecessor: UserSession | None = None,
    retry_key: str | None = None,
) -> IssuedSession:
    """Create a session with a new UUID, token and support code.

    If the support code exists already, another is drawn.
    """
    for _ in range(_CODE_DRAWS):
        token, now = generate_token(), timezone.now()
        first_use = None if predecessor else now
        session = _SESSIONS.new(
            token_hash=hash_token(token),
            retry_key=retry_key,
            created_at=now,
            last_seen_at=now,
            token_used_at=first_use,
            proven_at=first_use,
        )
        session.expires_at = session.expiry(now)
        if predecessor:
            session.predecessor = predecessor
        try:
            with transaction.atomic(), writing() as cursor:
                _SESSIONS.insert([session], cursor)
                record(
                    events.CREATED,
                    session_uuid=session.uuid,
                    credential=carrier,
                    support_code=session.support_code,
                )
        except IntegrityError as error:
            if "support_code" not in str(error):
                raise
        else:
            return IssuedSession(session, token)
    raise RuntimeError(f"{_CODE_DRAWS} support codes in a row existed already")


def touch_session(*, session: UserSession, now: datetime) -> None:
    """Record a live session's activity, at most once a minute, and extend its idle limit."""
    if session.proven_at and now - session.last_seen_at < TOUCH_INTERVAL:
        return
    session.last_seen_at, session.expires_at = now, session.expiry(now)
    session.proven_at = session.proven_at or now
    UserSession.objects.live().filter(pk=session.pk).update(
        last_seen_at=session.last_seen_at,
        expires_at=session.expires_at,
        proven_at=session.proven_at,
    )


def mark_session_used(*, session: UserSession) -> None:
    """Record that a session has its first file or contact data, so that it expires later."""
    if session.used_at:
        return
    session.used_at = timezone.now()
    session.expires_at = session.expiry(session.used_at)
    UserSession.objects.live().filter(pk=session.pk, used_at=None).update(
        used_at=session.used_at, expires_at=session.expires_at
    )


def lock_live(*, session: UserSession) -> UserSession:
    """Lock a live session's row until the transaction ends and return its present state.

    Raises SessionInvalid if the session is no longer live.
    """
    locked = UserSession.objects.live().select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise session_invalid(UserSession.objects.get(pk=session.pk), describe(session, "lost"))
    return locked


def session_invalid(session: UserSession, lost: dict[str, Any] | None = None) -> SessionInvalid:
    """Return the error that says why a session is no longer live."""
    return SessionInvalid(session.uuid, session.status, session.support_code, lost)


def expire_session(*, session: UserSession) -> bool:
    """Mark a session as expired; False if it is not due or was marked before."""
    with transaction.atomic():
        expired = _end(
            UserSession.objects.due(), session, SessionStatus.EXPIRED, session.expiry_reason()
        )
        if expired:
            record(events.EXPIRED, session_uuid=session.uuid, reason=session.end_reason)
        return expired


def expire_due_sessions(*, limit: int) -> int:
    """Mark up to `limit` due sessions as expired and return how many were marked.

    One transaction for each session, so that a crash loses no work and locks stay short.
    """
    done = 0
    while done < limit and (
        batch := UserSession.objects.due().order_by("expires_at")[: min(SWEEP_BATCH, limit - done)]
    ):
        done += sum(expire_session(session=session) for session in batch)
    return done


def reset_session(
    *, proof: Proof, reason: str, retry_key: str | None = None
) -> tuple[IssuedSession, dict[str, Any]]:
    """Replace an active or expired session by a new one; return it and the lost files.

    The successor is linked, so that support can follow the visitor. The answer
    may be lost: repeated with its `retry_key` within 10 minutes, the call returns
    the same successor with another token, until that successor is first proven.
    This is not possible without a key, or when the session was another person's.

    Raises SessionInvalid for every other repeated call, for a session that ended
    otherwise, and for a retired token.
    """
    if reason in _FOREIGN:
        retry_key = None
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=proof.session.pk)
        lost = describe(session, "lost")
        _require_newest(proof, session)
        if retry_key and (successor := _unproven_successor(session, retry_key)):
            token = replace_token(session=successor, reason="reset_repeated")
            return IssuedSession(successor, token), lost
        before = session.status
        if before not in (SessionStatus.ACTIVE, SessionStatus.EXPIRED) or hasattr(
            session, "successor"
        ):
            raise session_invalid(session, lost)
        if before == SessionStatus.ACTIVE:
            _end(UserSession.objects.all(), session, SessionStatus.RESET, reason)
        issued = issue_session(carrier=proof.carrier, predecessor=session, retry_key=retry_key)
        record(
            events.RESET,
            session_uuid=session.uuid,
            reason=reason,
            from_status=str(before),
            successor=str(issued.session.uuid),
            lost_files=lost.get("count", 0),
        )
    return issued, lost


def end_session(*, session: UserSession) -> None:
    """End a live session for its visitor. Its files stay until their retention is over."""
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=session.pk)
        lost = describe(session, "lost")
        if not _end(UserSession.objects.live(), session, SessionStatus.ENDED, "visitor"):
            raise session_invalid(session, lost)
        record(events.ENDED, session_uuid=session.uuid, lost_files=lost.get("count", 0))


def revoke_session(*, session: UserSession, reason: str) -> None:
    """End a live session for staff, who give a reason; raises SessionNotActive."""
    with transaction.atomic():
        lost = describe(session, "lost").get("count", 0)
        if not _end(UserSession.objects.live(), session, SessionStatus.REVOKED, reason):
            raise SessionNotActive
        record(events.REVOKED, session_uuid=session.uuid, reason=reason, lost_files=lost)


def extend_session(*, session: UserSession, days: int, reason: str) -> datetime:
    """Keep a live session for at least `days` from now and return its new expiry.

    At most LONGEST_EXTENSION beyond its regular end, and never earlier than its
    present expiry. Raises SessionNotActive.
    """
    with transaction.atomic():
        locked = UserSession.objects.live().select_for_update().filter(pk=session.pk).first()
        if locked is None:
            raise SessionNotActive
        wanted = min(timezone.now() + timedelta(days=days), locked.last_moment + LONGEST_EXTENSION)
        locked.extended_until = max(wanted, locked.expires_at)
        locked.expires_at = locked.extended_until
        locked.save(update_fields=["extended_until", "expires_at"])
        record(
            events.EXTENDED,
            session_uuid=locked.uuid,
            reason=reason,
            until=locked.extended_until.isoformat(),
        )
    return locked.extended_until


def _end(among: SessionQuerySet, session: UserSession, status: SessionStatus, reason: str) -> bool:
    """Move an active session of `among` to `status`; False if another transaction was first."""
    now = timezone.now()
    # A session expires at its limit, not when the expiry is recorded.
    ended_at = F("expires_at") if status == SessionStatus.EXPIRED else now
    moved = among.filter(pk=session.pk, status=SessionStatus.ACTIVE).update(
        status=status, ended_at=ended_at, end_reason=reason
    )
    if moved:
        session.status, session.end_reason = status, reason
        session.ended_at = session.expires_at if status == SessionStatus.EXPIRED else now
    return bool(moved)


def _require_newest(proof: Proof, session: UserSession) -> None:
    """Raise SessionInvalid for a retired token, as for one that has ended."""
    if not is_newest(proof=proof, session=session):
        refused = SessionInvalid()
        refused.session_uuid = session.uuid
        raise refused


def _unproven_successor(session: UserSession, retry_key: str) -> UserSession | None:
    """Return the live successor that a reset with this key has just created, locked.

    None if a request has proven it.
    """
    followers = UserSession.objects.live().select_for_update().filter(predecessor=session)
    return followers.filter(
        retry_key=retry_key, proven_at=None, created_at__gt=Now() - REPEATABLE
    ).first()

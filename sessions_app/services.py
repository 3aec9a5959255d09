"""Every change to a session, each in one transaction with its audit event."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from audit_app.services import record
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.exceptions import SessionInvalid, SessionNotActive
from sessions_app.models import TOUCH_INTERVAL, SessionQuerySet, Status, UserSession
from sessions_app.signals import describe

SWEEP_BATCH = 500
_CODE_DRAWS = 5


@dataclass(frozen=True)
class IssuedSession:
    """A new session and its token, which exists in clear only here."""

    session: UserSession
    token: str


def issue_session(*, predecessor: UserSession | None = None) -> IssuedSession:
    """Begin a session: the server makes its UUID, its token and its support code."""
    token = generate_token()
    with transaction.atomic():
        session = _insert(token_hash=hash_token(token), predecessor=predecessor)
        record(
            events.CREATED,
            session_uuid=session.uuid,
            credential="cookie",
            support_code=session.support_code,
        )
    return IssuedSession(session, token)


def touch_session(*, session: UserSession, now: datetime) -> None:
    """Note that a live session was seen, at most once a minute, and move its expiry on."""
    if now - session.last_seen_at < TOUCH_INTERVAL:
        return
    session.last_seen_at, session.expires_at = now, session.expiry(now)
    UserSession.objects.live().filter(pk=session.pk).update(
        last_seen_at=session.last_seen_at, expires_at=session.expires_at
    )


def mark_session_used(*, session: UserSession) -> None:
    """Note that a session holds something of the visitor's, so that it expires like a used one."""
    if session.used_at:
        return
    session.used_at = timezone.now()
    session.expires_at = session.expiry(session.used_at)
    UserSession.objects.live().filter(pk=session.pk, used_at=None).update(
        used_at=session.used_at, expires_at=session.expires_at
    )


def expire_session(*, session: UserSession) -> bool:
    """Record that a session's time has run out; False if it is not due or was recorded before."""
    with transaction.atomic():
        expired = _end(UserSession.objects.due(), session, Status.EXPIRED, session.expiry_reason())
        if expired:
            record(events.EXPIRED, session_uuid=session.uuid, reason=session.end_reason)
        return expired


def expire_due_sessions(*, limit: int) -> int:
    """Record up to `limit` sessions whose time has run out; return how many were.

    Each is its own transaction, so that a crash loses nothing and nobody waits.
    """
    done = 0
    while done < limit and (
        batch := UserSession.objects.due().order_by("expires_at")[: min(SWEEP_BATCH, limit - done)]
    ):
        done += sum(expire_session(session=session) for session in batch)
    return done


def reset_session(*, session: UserSession, reason: str) -> tuple[IssuedSession, dict[str, Any]]:
    """Leave an active or expired session for a fresh one; return it and what was lost.

    The successor is linked, so that support can follow the visitor. Raises
    SessionInvalid if the session ended otherwise or already has a successor.
    """
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=session.pk)
        lost = describe(session)["lost"]
        before = session.status
        if before not in (Status.ACTIVE, Status.EXPIRED) or hasattr(session, "successor"):
            raise SessionInvalid(session, lost)
        if before == Status.ACTIVE:
            _end(UserSession.objects.all(), session, Status.RESET, reason)
        issued = issue_session(predecessor=session)
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
    """End a live session because its visitor asked; its files stay for their retention."""
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=session.pk)
        lost = describe(session)["lost"]
        if not _end(UserSession.objects.live(), session, Status.ENDED, "visitor"):
            raise SessionInvalid(session, lost)
        record(events.ENDED, session_uuid=session.uuid, lost_files=lost.get("count", 0))


def revoke_session(*, session: UserSession, reason: str) -> None:
    """End an active session because a staff member decided so, for a written reason.

    Raises SessionNotActive if the session is already over.
    """
    with transaction.atomic():
        lost = describe(session)["lost"].get("count", 0)
        if not _end(UserSession.objects.live(), session, Status.REVOKED, reason):
            raise SessionNotActive
        record(events.REVOKED, session_uuid=session.uuid, reason=reason, lost_files=lost)


def _end(among: SessionQuerySet, session: UserSession, status: Status, reason: str) -> bool:
    """Move an active session of `among` to `status`, once, whoever else tries."""
    now = timezone.now()
    # A session expires at its limit, not when somebody notices.
    ended_at = F("expires_at") if status == Status.EXPIRED else now
    moved = among.filter(pk=session.pk, status=Status.ACTIVE).update(
        status=status, ended_at=ended_at, end_reason=reason
    )
    if moved:
        session.status, session.end_reason = status, reason
        session.ended_at = session.expires_at if status == Status.EXPIRED else now
    return bool(moved)


def _insert(**values: Any) -> UserSession:
    """Insert a session; a support code that exists already is drawn again."""
    for _ in range(_CODE_DRAWS):
        try:
            with transaction.atomic():
                return UserSession.objects.create(**values)
        except IntegrityError as error:
            if "support_code" not in str(error):
                raise
    raise RuntimeError(f"{_CODE_DRAWS} support codes in a row were taken")

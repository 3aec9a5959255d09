"""Every step in a session's life, each in one transaction with its audit event."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, Subquery
from django.utils import timezone

from audit_app.services import record
from sessions_app import events
from sessions_app.credentials import LONGEST_EXTENSION, Carrier, generate_token, hash_token
from sessions_app.exceptions import SessionInvalid, SessionNotActive
from sessions_app.models import (
    TOUCH_INTERVAL,
    RetiredToken,
    SessionQuerySet,
    SessionStatus,
    UserSession,
)
from sessions_app.signals import describe

SWEEP_BATCH = 500
OVERLAP = timedelta(seconds=30)
MAX_UNUSED = 20
_CODE_DRAWS = 5


@dataclass(frozen=True)
class IssuedSession:
    """A new session and its token, which exists in clear only here."""

    session: UserSession
    token: str


def issue_session(
    *, carrier: Carrier = "cookie", predecessor: UserSession | None = None
) -> IssuedSession:
    """Begin a session: the server makes its UUID, its token and its support code.

    A support code that exists already is drawn again.
    """
    for _ in range(_CODE_DRAWS):
        token = generate_token()
        session = UserSession(token_hash=hash_token(token), predecessor=predecessor)
        if predecessor:
            session.token_used_at = session.proven_at = None
        try:
            with transaction.atomic():
                session.save(force_insert=True)
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
    raise RuntimeError(f"{_CODE_DRAWS} support codes in a row were taken")


def touch_session(*, session: UserSession, now: datetime) -> None:
    """Note that a live session was seen, at most once a minute, and move its expiry on."""
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
    """Note that a session holds something of the visitor's, so that it expires like a used one."""
    if session.used_at:
        return
    session.used_at = timezone.now()
    session.expires_at = session.expiry(session.used_at)
    UserSession.objects.live().filter(pk=session.pk, used_at=None).update(
        used_at=session.used_at, expires_at=session.expires_at
    )


def mark_token_used(*, session: UserSession, now: datetime) -> None:
    """Note the first use of a token that replaced others: from now those are good for 30 s."""
    with transaction.atomic():
        first = UserSession.objects.filter(
            pk=session.pk, token_hash=session.token_hash, token_used_at=None
        ).update(token_used_at=now)
        if first:
            RetiredToken.objects.filter(session=session, good_until=None).update(
                good_until=now + OVERLAP
            )
    session.token_used_at = now


def mark_retired_used(*, session: UserSession, token_hash: str, now: datetime) -> None:
    """Note that a client still carries a retired token: those it replaced are good for 30 s more.

    Of two changes at once the browser may keep the first one's token.
    """
    carried = RetiredToken.objects.filter(token_hash=token_hash).values("pk")
    older = RetiredToken.objects.filter(session=session, pk__lt=Subquery(carried), good_until=None)
    if older.exists():  # a read costs no lock
        older.update(good_until=now + OVERLAP)


def rotate_token(*, session: UserSession, reason: str) -> str | None:
    """Give a session whose row is held a new token, and return it.

    None if the request was proven by a token that is being phased out: its
    client has a newer one already. Must be called in the transaction of the
    change that asks for it.
    """
    presented = session.proof.token_hash if session.proof else None
    retired = RetiredToken.objects.filter(session=session)
    if presented and retired.filter(token_hash=presented, good_until__isnull=False).exists():
        return None
    RetiredToken(token_hash=session.token_hash, session=session).save(force_insert=True)
    # A client that goes on with its old token must not fill the table.
    surplus = retired.exclude(token_hash=presented).order_by("-pk").values_list("pk", flat=True)
    retired.filter(Q(good_until__lt=timezone.now()) | Q(pk__in=surplus[MAX_UNUSED:])).delete()
    token = generate_token()
    session.token_hash, session.token_used_at = hash_token(token), None
    UserSession.objects.filter(pk=session.pk).update(
        token_hash=session.token_hash, token_used_at=None
    )
    record(events.TOKEN_ROTATED, session_uuid=session.uuid, reason=reason)
    return token


def hold_live(*, session: UserSession) -> UserSession:
    """Hold a live session's row for the rest of the transaction and return it is now.

    Raises SessionInvalid if it is over.
    """
    locked = UserSession.objects.live().select_for_update().filter(pk=session.pk).first()
    if locked is None:
        raise SessionInvalid(UserSession.objects.get(pk=session.pk), describe(session, "lost"))
    locked.proof = session.proof
    return locked


def expire_session(*, session: UserSession) -> bool:
    """Record that a session's time has run out; False if it is not due or was recorded before."""
    with transaction.atomic():
        expired = _end(
            UserSession.objects.due(), session, SessionStatus.EXPIRED, session.expiry_reason()
        )
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

    The successor is linked, so that support can follow the visitor. Who asks
    again before anybody has used the successor gets the same one, with another
    token: the first answer may have been lost. Raises SessionInvalid if the
    session ended otherwise, or its successor is in use.
    """
    carrier = session.proof.carrier if session.proof else "cookie"
    with transaction.atomic():
        session = UserSession.objects.select_for_update().get(pk=session.pk)
        lost = describe(session, "lost")
        if successor := _untouched_successor(session):
            token = rotate_token(session=successor, reason="reset_repeated")
            assert token is not None
            return IssuedSession(successor, token), lost
        before = session.status
        if before not in (SessionStatus.ACTIVE, SessionStatus.EXPIRED) or hasattr(
            session, "successor"
        ):
            raise SessionInvalid(session, lost)
        if before == SessionStatus.ACTIVE:
            _end(UserSession.objects.all(), session, SessionStatus.RESET, reason)
        issued = issue_session(carrier=carrier, predecessor=session)
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
        lost = describe(session, "lost")
        if not _end(UserSession.objects.live(), session, SessionStatus.ENDED, "visitor"):
            raise SessionInvalid(session, lost)
        record(events.ENDED, session_uuid=session.uuid, lost_files=lost.get("count", 0))


def revoke_session(*, session: UserSession, reason: str) -> None:
    """End an active session because a staff member decided so, for a written reason.

    Raises SessionNotActive if the session is already over.
    """
    with transaction.atomic():
        lost = describe(session, "lost").get("count", 0)
        if not _end(UserSession.objects.live(), session, SessionStatus.REVOKED, reason):
            raise SessionNotActive
        record(events.REVOKED, session_uuid=session.uuid, reason=reason, lost_files=lost)


def extend_session(*, session: UserSession, days: int, reason: str) -> datetime:
    """Let a live session last at least so many days from now, for a written reason; return until when.

    At most LONGEST_EXTENSION beyond its ordinary end, and never less than it has.
    Raises SessionNotActive if the session is over.
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
    """Move an active session of `among` to `status`, once, whoever else tries."""
    now = timezone.now()
    # A session expires at its limit, not when somebody notices.
    ended_at = F("expires_at") if status == SessionStatus.EXPIRED else now
    moved = among.filter(pk=session.pk, status=SessionStatus.ACTIVE).update(
        status=status, ended_at=ended_at, end_reason=reason
    )
    if moved:
        session.status, session.end_reason = status, reason
        session.ended_at = session.expires_at if status == SessionStatus.EXPIRED else now
    return bool(moved)


def _untouched_successor(session: UserSession) -> UserSession | None:
    """Return the live session that follows, held, if nobody has ever proven it."""
    followers = UserSession.objects.live().select_for_update()
    return followers.filter(predecessor=session, proven_at=None).first()

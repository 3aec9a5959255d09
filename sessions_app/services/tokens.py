"""The session token: rotation, and how long earlier tokens stay valid."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models.functions import Now

from audit_app.services import record
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import RecoveryCode, RetiredToken, UserSession
from sessions_app.proofs import Proof

OVERLAP = timedelta(seconds=30)
# How long a reset or a recovery can be repeated with its Idempotency-Key.
REPEATABLE = timedelta(minutes=10)


def mark_token_used(*, session: UserSession, now: datetime) -> None:
    """Record the first use of a token that replaced others: those stay valid for 30 s from now.

    Its answer has arrived, so the recovery that issued it can no longer be repeated.
    """
    with transaction.atomic():
        first = UserSession.objects.filter(
            pk=session.pk, token_hash=session.token_hash, token_used_at=None
        ).update(token_used_at=now)
        if first:
            _begin_overlap(session)
            RecoveryCode.objects.redeemed().filter(session=session).delete()
    session.token_used_at = now


def is_newest(*, proof: Proof, session: UserSession) -> bool:
    """Return whether the proof is the session's newest token, not a retired one.

    The row must be locked by the caller's transaction.
    """
    return proof.token_hash == session.token_hash


def rotate_token(*, session: UserSession, proof: Proof, reason: str) -> str | None:
    """Give a session a new token and return it; the row must be locked by the caller's transaction.

    Return None if `proof` is a retired token: it never gets a newer one.
    """
    if not is_newest(proof=proof, session=session):
        return None
    _retire(session)
    return replace_token(session=session, reason=reason)


def take_over(*, session: UserSession, reason: str) -> str:
    """Give a session a new token; all others end 30 s from now, even if it is never used.

    The row must be locked by the caller's transaction.
    """
    _retire(session)
    _begin_overlap(session)
    return replace_token(session=session, reason=reason)


def replace_token(*, session: UserSession, reason: str) -> str:
    """Give a session a new token in place of its present one, which ends at once.

    The row must be locked by the caller's transaction.
    """
    token = generate_token()
    session.token_hash, session.token_used_at = hash_token(token), None
    UserSession.objects.filter(pk=session.pk).update(
        token_hash=session.token_hash, token_used_at=None
    )
    record(events.TOKEN_ROTATED, session_uuid=session.uuid, reason=reason)
    return token


def _retire(session: UserSession) -> None:
    retired = RetiredToken.objects.filter(session=session)
    retired.exclude(pk__in=retired.good().values("pk")).delete()
    RetiredToken(token_hash=session.token_hash, session=session).save(force_insert=True)


def _begin_overlap(session: UserSession) -> None:
    """End the session's retired tokens 30 s from now. One that has ended stays so."""
    waiting = RetiredToken.objects.good().filter(session=session, good_until=None)
    waiting.update(good_until=Now() + OVERLAP)

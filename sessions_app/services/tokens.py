"""The session token: rotation, and how long earlier tokens stay valid."""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, Subquery
from django.utils import timezone

from audit_app.services import record
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import RetiredToken, UserSession
from sessions_app.proofs import Proof

OVERLAP = timedelta(seconds=30)
MAX_UNUSED = 20


def mark_token_used(*, session: UserSession, now: datetime) -> None:
    """Record the first use of a token that replaced others: those stay valid for 30 s from now."""
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
    """Record that a client still uses a retired token: earlier tokens stay valid for 30 s.

    After two rotations at once, the browser may keep the first one's token.
    """
    carried = RetiredToken.objects.filter(token_hash=token_hash).values("pk")
    older = RetiredToken.objects.filter(session=session, pk__lt=Subquery(carried), good_until=None)
    if older.exists():  # a read costs no lock
        older.update(good_until=now + OVERLAP)


def rotate_token(*, session: UserSession, proof: Proof | None, reason: str) -> str | None:
    """Give a session a new token and return it; the row must be locked by the caller's transaction.

    Return None if `proof` used a retired token that is being phased out: its
    client has already received a newer one.
    """
    presented = proof.token_hash if proof else None
    retired = RetiredToken.objects.filter(session=session)
    if presented and retired.filter(token_hash=presented, good_until__isnull=False).exists():
        return None
    RetiredToken(token_hash=session.token_hash, session=session).save(force_insert=True)
    # A client that keeps using its old token must not fill the table.
    surplus = retired.exclude(token_hash=presented).order_by("-pk").values_list("pk", flat=True)
    retired.filter(Q(good_until__lt=timezone.now()) | Q(pk__in=surplus[MAX_UNUSED:])).delete()
    token = generate_token()
    session.token_hash, session.token_used_at = hash_token(token), None
    UserSession.objects.filter(pk=session.pk).update(
        token_hash=session.token_hash, token_used_at=None
    )
    record(events.TOKEN_ROTATED, session_uuid=session.uuid, reason=reason)
    return token

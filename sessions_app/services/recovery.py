"""Recovery codes: staff issue one, and its visitor redeems it once on another device."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from audit_app.services import record
from common.keyed_hash import keyed_hash, keyed_hashes
from sessions_app import events
from sessions_app.exceptions import RecoveryInvalid, SessionNotActive
from sessions_app.models import RecoveryCode, RecoveryCodeQuerySet, UserSession
from sessions_app.services.sessions import IssuedSession
from sessions_app.services.tokens import REPEATABLE, replace_token, take_over
from sessions_app.uuid_helpers import CROCKFORD, read_crockford

LIFETIME = timedelta(minutes=15)
_SYMBOLS = 12
_GROUP = 4
_SALT = "sessions_app.RecoveryCode"


def issue_recovery_code(*, session: UserSession, reason: str) -> str:
    """Return a new code like `7F3K-2QX9-HT4B`, valid once and for 15 minutes.

    It has 60 random bits and replaces the code before. Only its hash is stored.
    Raises SessionNotActive.
    """
    symbols = "".join(secrets.choice(CROCKFORD) for _ in range(_SYMBOLS))
    with transaction.atomic():
        if not UserSession.objects.live().select_for_update().filter(pk=session.pk).exists():
            raise SessionNotActive
        RecoveryCode.objects.update_or_create(
            session=session,
            defaults={
                "code_hash": keyed_hash(_SALT, symbols),
                "expires_at": timezone.now() + LIFETIME,
                "retry_key": None,
            },
        )
        record(events.RECOVERY_ISSUED, session_uuid=session.uuid, reason=reason)
    return "-".join(symbols[i : i + _GROUP] for i in range(0, _SYMBOLS, _GROUP))


def recover_session(*, code: str, retry_key: str | None = None) -> IssuedSession:
    """Redeem a code and return its live session with a new token; raises RecoveryInvalid.

    Older tokens stay valid for 30 s. The answer may be lost: the code and the
    `retry_key` together can be repeated within 10 minutes, until the new token is
    first used.
    """
    with transaction.atomic():
        hashes = keyed_hashes(_SALT, read_crockford(code))
        codes = RecoveryCode.objects.good().filter(code_hash__in=hashes)
        locked = UserSession.objects.live().select_for_update()
        session = locked.filter(pk__in=codes.values("session")).first()
        if session is None:
            raise RecoveryInvalid
        if _redeem(codes, retry_key):
            record(events.RECOVERED, session_uuid=session.uuid)
            return IssuedSession(session, take_over(session=session, reason="recovered"))
        if not codes.filter(retry_key=retry_key or "").exists():
            raise RecoveryInvalid
        return IssuedSession(session, replace_token(session=session, reason="recovery_repeated"))


def _redeem(codes: RecoveryCodeQuerySet, retry_key: str | None) -> bool:
    """Use up a code; False if it was redeemed before. With a key it is kept for a repetition."""
    fresh = codes.filter(retry_key=None)
    if retry_key is None:
        return bool(fresh.delete()[0])
    return bool(fresh.update(retry_key=retry_key, expires_at=Now() + REPEATABLE))

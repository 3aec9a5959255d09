"""Recovery codes: staff issue one, and its visitor redeems it once on another device."""

import secrets
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.crypto import salted_hmac

from audit_app.services import record
from sessions_app import events
from sessions_app.exceptions import RecoveryInvalid, SessionNotActive
from sessions_app.models import RecoveryCode, UserSession
from sessions_app.services.sessions import IssuedSession
from sessions_app.services.tokens import rotate_token
from sessions_app.uuid_helpers import CROCKFORD, read_crockford

LIFETIME = timedelta(minutes=15)
_SYMBOLS = 12
_GROUP = 4


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
            defaults={"code_hash": _hash(symbols), "expires_at": timezone.now() + LIFETIME},
        )
        record(events.RECOVERY_ISSUED, session_uuid=session.uuid, reason=reason)
    return "-".join(symbols[i : i + _GROUP] for i in range(0, _SYMBOLS, _GROUP))


def recover_session(*, code: str) -> IssuedSession:
    """Redeem a code and return its live session with a new token; raises RecoveryInvalid.

    The old device's token stays valid until 30 s after the new token's first use.
    """
    with transaction.atomic():
        good = RecoveryCode.objects.filter(
            code_hash=_hash(read_crockford(code)), expires_at__gt=Now()
        )
        locked = UserSession.objects.live().select_for_update()
        session = locked.filter(pk__in=good.values("session")).first()
        if session is None or not good.delete()[0]:
            raise RecoveryInvalid
        record(events.RECOVERED, session_uuid=session.uuid)
        token = rotate_token(session=session, proof=None, reason="recovered")
        assert token is not None
        return IssuedSession(session, token)


def _hash(symbols: str) -> str:
    return salted_hmac("sessions_app.RecoveryCode", symbols, algorithm="sha256").hexdigest()

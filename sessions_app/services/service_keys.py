"""What Maria's own back end needs: keys, and assertions that hand it a visitor's session."""

from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.utils import timezone

from audit_app.services import record
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import TOUCH_INTERVAL, ServiceKey, UserSession
from sessions_app.services import touch_session

KEY_PREFIX = "msk1_"
LONGEST_DAYS = 3650
ASSERTION_LIFETIME = timedelta(minutes=5)
_SALT = "sessions_app.assertion"


def issue_service_key(*, key: ServiceKey) -> str:
    """Save a new key and return its secret, which exists in clear only here."""
    secret = generate_token(KEY_PREFIX)
    key.key_hash = hash_token(secret)
    with transaction.atomic():
        key.save(force_insert=True)
        record(
            events.SERVICE_KEY_CREATED,
            target=f"service:{key.name}",
            scopes=",".join(key.scopes),
            expires_at=key.expires_at.isoformat(),
        )
    return secret


def revoke_service_key(*, key: ServiceKey) -> bool:
    """Make a key open nothing any more; False if it was revoked before."""
    with transaction.atomic():
        revoked = ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if revoked:
            record(events.SERVICE_KEY_REVOKED, target=f"service:{key.name}")
        return bool(revoked)


def find_service_key(secret: str) -> ServiceKey | None:
    """Return the good key with this secret and note its use, at most once a minute; or None."""
    key = ServiceKey.objects.good().filter(key_hash=hash_token(secret)).first()
    if key is not None:
        _note_use(key)
    return key


def assert_session(*, session: UserSession) -> str:
    """Return a signed text that says, for 5 minutes, who holds it speaks for this session's visitor.

    It proves the session to services alone, never to a visitor's endpoint.
    """
    return signing.dumps(str(session.uuid), salt=_SALT)


def introspect(*, assertion: str) -> UserSession | None:
    """Return the live session an assertion speaks of, and note it as seen; None for any other.

    In the spirit of RFC 7662, section 2: why it is none is not told.
    """
    try:
        uuid = signing.loads(assertion, salt=_SALT, max_age=ASSERTION_LIFETIME)
    except signing.BadSignature:
        return None
    session = UserSession.objects.live().filter(pk=uuid).first()
    if session is not None:
        touch_session(session=session, now=timezone.now())
    return session


def _note_use(key: ServiceKey) -> None:
    # Looked at before it is asked for: on SQLite an update waits for other writers even if it changes nothing.
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at >= TOUCH_INTERVAL:
        ServiceKey.objects.filter(pk=key.pk).update(last_used_at=now)

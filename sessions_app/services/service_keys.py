"""Service keys, and the assertions by which a service trusts a visitor's session."""

from datetime import timedelta

from django.core import signing
from django.db import transaction
from django.utils import timezone

from audit_app.services import record
from common.statements import Argument, CompiledSelect
from sessions_app import events
from sessions_app.credentials import generate_token, hash_token
from sessions_app.models import (
    TOUCH_INTERVAL,
    ServiceKey,
    ServiceKeyQuerySet,
    SessionQuerySet,
    UserSession,
)
from sessions_app.services.sessions import touch_session

KEY_PREFIX = "msk1_"
LONGEST_DAYS = 3650
ASSERTION_LIFETIME = timedelta(minutes=5)
_SALT = "sessions_app.assertion"


def _good_key() -> ServiceKeyQuerySet:
    key_hash = Argument("key_hash", ServiceKey._meta.get_field("key_hash"))
    return ServiceKey.objects.good().filter(key_hash=key_hash).order_by()


def _live() -> SessionQuerySet:
    uuid = Argument("uuid", UserSession._meta.pk)
    return UserSession.objects.live().filter(pk=uuid).order_by()


_GOOD_KEY = CompiledSelect(_good_key)
_LIVE = CompiledSelect(_live)


def issue_service_key(*, key: ServiceKey) -> str:
    """Save a new key and return its secret, which is stored only as a hash."""
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
    """Revoke a key; False if it was revoked before."""
    with transaction.atomic():
        revoked = ServiceKey.objects.filter(pk=key.pk, revoked_at=None).update(
            revoked_at=timezone.now()
        )
        if revoked:
            record(events.SERVICE_KEY_REVOKED, target=f"service:{key.name}")
        return bool(revoked)


def find_service_key(secret: str) -> ServiceKey | None:
    """Return the valid key with this secret or None; record its use at most once a minute."""
    key = _GOOD_KEY.first(key_hash=hash_token(secret))
    if key is not None:
        _record_use(key)
    return key


def assert_session(*, session: UserSession) -> str:
    """Return a signed text that identifies this session for 5 minutes.

    Only services accept it; it is not a proof for a visitor's endpoint.
    """
    return signing.dumps(str(session.uuid), salt=_SALT)


def introspect(*, assertion: str) -> UserSession | None:
    """Return the live session of an assertion and record its activity, or None.

    The reason for None is not disclosed (RFC 7662, section 2).
    """
    try:
        uuid = signing.loads(assertion, salt=_SALT, max_age=ASSERTION_LIFETIME)
    except signing.BadSignature:
        return None
    session = _LIVE.first(uuid=uuid)
    if session is not None:
        touch_session(session=session, now=timezone.now())
    return session


def _record_use(key: ServiceKey) -> None:
    # Checked before the update: on SQLite an update waits for other writers even if it changes nothing.
    now = timezone.now()
    if key.last_used_at is None or now - key.last_used_at >= TOUCH_INTERVAL:
        ServiceKey.objects.filter(pk=key.pk).update(last_used_at=now)

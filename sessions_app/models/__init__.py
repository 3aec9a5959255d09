from sessions_app.models.service_keys import Scope, ServiceKey, ServiceKeyQuerySet
from sessions_app.models.sessions import (
    TOUCH_INTERVAL,
    Identity,
    RetiredToken,
    SessionQuerySet,
    SessionStatus,
    UserSession,
    is_same_address,
    join_answers,
    kept_until,
    past_retention,
)
from sessions_app.models.visitors import Consent, EmailCode, RecoveryCode, RecoveryCodeQuerySet

__all__ = [
    "TOUCH_INTERVAL",
    "Consent",
    "EmailCode",
    "Identity",
    "RecoveryCode",
    "RecoveryCodeQuerySet",
    "RetiredToken",
    "Scope",
    "ServiceKey",
    "ServiceKeyQuerySet",
    "SessionQuerySet",
    "SessionStatus",
    "UserSession",
    "is_same_address",
    "join_answers",
    "kept_until",
    "past_retention",
]

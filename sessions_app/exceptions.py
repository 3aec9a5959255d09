"""Errors of sessions: status, code, and a sentence that says what to do.

They carry plain facts. maria_project/refusals.py decides which are recorded in the audit log.
"""

import uuid
from typing import Any

from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    PermissionDenied,
    Throttled,
)


class ProofRefused:
    """Facts about a refused proof: the session if it is known, and why it is not live."""

    default_code: str
    session_uuid: uuid.UUID | None = None
    reason: str | None = None


class SessionRequired(ProofRefused, AuthenticationFailed):
    default_code = "session_required"
    default_detail = "This request needs a session: create one with POST /api/v1/sessions/."


class SessionInvalid(ProofRefused, AuthenticationFailed):
    """The token belongs to no live session.

    For a known session the answer also gives its state, its support code and
    the files that were lost; for an unknown token nothing more.
    """

    default_code = "session_invalid"
    default_detail = (
        "This session has ended or is unknown: create a new one with POST /api/v1/sessions/."
    )

    def __init__(
        self,
        session_uuid: uuid.UUID | None = None,
        reason: str | None = None,
        support_code: str = "",
        lost: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.session_uuid, self.reason = session_uuid, reason and str(reason)
        self.extensions: dict[str, Any] = {}
        if session_uuid is not None:
            self.extensions = {"reason": reason, "support_code": support_code, "lost": lost or {}}


class SessionMismatch(ProofRefused, AuthenticationFailed):
    """The token is valid, but `X-Session-UUID` names another session."""

    default_code = "session_mismatch"
    default_detail = (
        "X-Session-UUID names another session than the one this browser has proven: "
        "read GET /api/v1/sessions/current/ without the header and store that UUID."
    )

    def __init__(self, session_uuid: uuid.UUID, support_code: str) -> None:
        super().__init__()
        self.session_uuid = session_uuid
        self.extensions = {"support_code": support_code}


class CredentialsDiffer(ProofRefused, AuthenticationFailed):
    default_code = "credentials_differ"
    default_detail = (
        "This request carries different tokens: send only one, in the cookie or as a bearer token."
    )


class SessionHeaderRequired(PermissionDenied):
    default_code = "session_header_required"
    default_detail = "Send the session's UUID in the X-Session-UUID header with every change."

    def __init__(self, session_uuid: uuid.UUID | None = None) -> None:
        super().__init__()
        self.session_uuid = session_uuid


class OriginNotAllowed(PermissionDenied):
    """Raised before the proof is read, so no session is known."""

    session_uuid: uuid.UUID | None = None
    default_code = "origin_not_allowed"
    default_detail = (
        "Pages of this origin may not use the API: the operator can add it to ALLOWED_ORIGINS."
    )


class RateLimited(Throttled):
    """More requests than the limit `policy` allows; try again in `wait` seconds."""

    default_code = "rate_limited"
    default_detail = "Too many requests: wait as long as Retry-After says, then try again."

    def __init__(self, policy: str, wait: int, session_uuid: uuid.UUID | None = None) -> None:
        super().__init__()
        self.wait = wait  # given to Throttled, it would also appear in the sentence
        self.policy, self.session_uuid = policy, session_uuid


class SessionNotActive(APIException):
    """Staff tried to change a session that has already ended."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "session_not_active"
    default_detail = "This session has already ended. Nothing was changed."


class EmailMissing(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "email_missing"
    default_detail = (
        "This session has no e-mail address: set one with PATCH /api/v1/sessions/current/."
    )


class CodeWrong(ProofRefused, APIException):
    """The six digits are wrong; `tries_left` more tries are allowed."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "code_wrong"
    default_detail = "This is not the code that was sent: compare the six digits and try again."

    def __init__(self, session_uuid: uuid.UUID, tries_left: int) -> None:
        super().__init__()
        self.session_uuid = session_uuid
        self.extensions = {"tries_left": tries_left}


class CodeExpired(APIException):
    """No code was sent, it is too old, or it was tried too often."""

    status_code = status.HTTP_410_GONE
    default_code = "code_expired"
    default_detail = "There is no valid code: request a new one."


class MailUnavailable(APIException):
    """The mail server did not accept the message; a new one may be sent at once."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "mail_unavailable"
    default_detail = "The code could not be sent: try again soon."
    wait = 30


class RecoveryInvalid(ProofRefused, AuthenticationFailed):
    default_code = "recovery_invalid"
    default_detail = (
        "This recovery code is unknown, used or older than 15 minutes: ask support for a new one."
    )


class RetryKeyMalformed(APIException):
    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "idempotency_key_malformed"
    default_detail = (
        "Invalid Idempotency-Key. Use 1 to 128 visible ASCII characters, for example a random UUID."
    )


class ServiceKeyRequired(AuthenticationFailed):
    default_code = "service_key_required"
    default_detail = "This address is for services: send a service key in Authorization: Bearer."


class ServiceKeyInvalid(ServiceKeyRequired):
    default_code = "service_key_invalid"
    default_detail = (
        "This service key is unknown, revoked or expired: ask an operator for a new one."
    )


class ScopeMissing(PermissionDenied):
    """The key is valid, but lacks the scope of this endpoint."""

    default_code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This service key lacks the scope “{scope}”: ask an operator for it.")

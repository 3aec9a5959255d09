"""What can go wrong with a session: status, code, and a sentence that says what to do.

An exception with a `refusal` is recorded in the audit log when it is answered.
"""

from typing import TYPE_CHECKING, Any

from rest_framework import status
from rest_framework.exceptions import (
    APIException,
    AuthenticationFailed,
    PermissionDenied,
    Throttled,
)

from audit_app.events import RATE_LIMIT_EXCEEDED
from audit_app.services import Refusal
from sessions_app import events

if TYPE_CHECKING:
    from sessions_app.models import UserSession


def refused(code: str, session: "UserSession | None" = None, reason: str | None = None) -> Refusal:
    """Describe a refused proof for the audit log."""
    return Refusal(
        events.REFUSED,
        kind=code,
        session_uuid=session.uuid if session else None,
        details={"code": code, "reason": reason},
    )


class SessionRequired(AuthenticationFailed):
    default_code = "session_required"
    default_detail = "This request needs a session: create one with POST /api/v1/sessions/."

    def __init__(self) -> None:
        super().__init__()
        self.refusal = refused(self.default_code)


class SessionInvalid(AuthenticationFailed):
    """The proof is of no live session.

    For a session that is known, the answer also says why it is over, its
    support code and what was lost; for an unknown token nothing more.
    """

    default_code = "session_invalid"
    default_detail = (
        "This session is over or unknown: create a new one with POST /api/v1/sessions/."
    )

    def __init__(
        self, session: "UserSession | None" = None, lost: dict[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.extensions: dict[str, Any] = {}
        self.refusal = refused(self.default_code)
        if session is not None:
            self.refusal = refused(self.default_code, session, str(session.status))
            self.extensions = {
                "reason": session.status,
                "support_code": session.support_code,
                "lost": lost or {},
            }


class SessionMismatch(AuthenticationFailed):
    """The proof is good, but `X-Session-UUID` names another session."""

    default_code = "session_mismatch"
    default_detail = (
        "X-Session-UUID names another session than the one this browser has proven: "
        "read GET /api/v1/sessions/current/ without the header and store that UUID."
    )

    def __init__(self, session: "UserSession") -> None:
        super().__init__()
        self.extensions = {"support_code": session.support_code}
        self.refusal = refused(self.default_code, session)


class CredentialsDiffer(AuthenticationFailed):
    default_code = "credentials_differ"
    default_detail = (
        "The cookie and the Authorization header carry different tokens: send one of them only."
    )

    def __init__(self) -> None:
        super().__init__()
        self.refusal = refused(self.default_code)


class SessionHeaderRequired(PermissionDenied):
    default_code = "session_header_required"
    default_detail = "Send the session's UUID in the X-Session-UUID header with every change."


class OriginNotAllowed(PermissionDenied):
    default_code = "origin_not_allowed"
    default_detail = "Pages of this origin may not use the API: its operator can allow them."


class RateLimited(Throttled):
    """More requests than the limit `policy` allows; the next is welcome in `wait` seconds."""

    default_code = "rate_limited"
    default_detail = "Too many requests: wait as long as Retry-After says, then try again."

    def __init__(self, policy: str, wait: int, session: "UserSession | None" = None) -> None:
        super().__init__()
        self.wait = wait  # given to Throttled, it would also end up in the sentence
        self.refusal = Refusal(
            RATE_LIMIT_EXCEEDED,
            kind=policy,
            session_uuid=session.uuid if session else None,
            details={"limit": policy},
        )


class SessionNotActive(APIException):
    """Staff tried to act on a session that is already over."""

    status_code = status.HTTP_409_CONFLICT
    default_code = "session_not_active"
    default_detail = "This session is already over, so nothing was done."


class EmailMissing(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "email_missing"
    default_detail = "There is no e-mail address yet: set one with PATCH /api/v1/sessions/current/."


class CodeWrong(APIException):
    """The six digits are others; `tries_left` more may be tried."""

    status_code = status.HTTP_400_BAD_REQUEST
    default_code = "code_wrong"
    default_detail = "That is not the code that was sent: compare the six digits and try again."

    def __init__(self, session: "UserSession", tries_left: int) -> None:
        super().__init__()
        self.extensions = {"tries_left": tries_left}
        self.refusal = refused(self.default_code, session)


class CodeExpired(APIException):
    """No code is waiting: none was sent, it is too old, or it was tried too often."""

    status_code = status.HTTP_410_GONE
    default_code = "code_expired"
    default_detail = "No code is waiting any more: ask for a new one."


class MailUnavailable(APIException):
    """The mail server did not take the message; another may be asked for at once."""

    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "mail_unavailable"
    default_detail = "The code could not be sent just now: try again soon."
    wait = 30


class RecoveryInvalid(AuthenticationFailed):
    default_code = "recovery_invalid"
    default_detail = (
        "This recovery code is unknown, used or older than 15 minutes: ask support for a new one."
    )

    def __init__(self) -> None:
        super().__init__()
        self.refusal = refused(self.default_code)


class ServiceKeyRequired(AuthenticationFailed):
    default_code = "service_key_required"
    default_detail = "This address is for services: send Authorization: Bearer with a service key."

    def __init__(self) -> None:
        super().__init__()
        self.refusal = Refusal(
            events.SERVICE_REFUSED, self.default_code, details={"code": self.default_code}
        )


class ServiceKeyInvalid(ServiceKeyRequired):
    default_code = "service_key_invalid"
    default_detail = (
        "This service key is unknown, revoked or past its date: ask an operator for one."
    )


class ScopeMissing(PermissionDenied):
    """The key is good, but not for this."""

    default_code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"This service key lacks the scope “{scope}”: ask an operator for it.")
        self.refusal = Refusal(
            events.SERVICE_REFUSED, self.default_code, details={"code": self.default_code}
        )

"""Which errors are recorded in the audit log, and as which event."""

from dataclasses import replace

from django.conf import settings

from audit_app.events import RATE_LIMIT_EXCEEDED
from audit_app.services import HOUR_SECONDS, Personal, Refusal
from sessions_app import events as session_events
from sessions_app.exceptions import (
    OriginNotAllowed,
    ProofRefused,
    RateLimited,
    ScopeMissing,
    ServiceKeyRequired,
    SessionHeaderRequired,
)
from sessions_app.uuid_helpers import UuidMalformed
from uploads_app import events as upload_events
from uploads_app.exceptions import FileRejected, QuotaExceeded


def refusal_of(error: Exception) -> Refusal | None:
    """Return the audit event of a refused request, None for an error that is not recorded."""
    match error:
        case ProofRefused():
            return _proof_refused(error, error.reason)
        case UuidMalformed() if error.session_uuid:
            return _proof_refused(error, None)
        # Other people's pages and programs cause these, so one row an hour is enough.
        case UuidMalformed() | OriginNotAllowed() | SessionHeaderRequired():
            return replace(_proof_refused(error, None), window_seconds=HOUR_SECONDS)
        case RateLimited():
            details = {"limit": error.policy}
            return Refusal(RATE_LIMIT_EXCEEDED, error.policy, error.session_uuid, details=details)
        case ServiceKeyRequired() | ScopeMissing():
            code = error.default_code
            return Refusal(session_events.SERVICE_REFUSED, code, details={"code": code})
        case QuotaExceeded():
            return _quota_exceeded(error)
        case FileRejected() if error.session_uuid:
            return _file_rejected(error)
    return None


def _proof_refused(
    error: ProofRefused | UuidMalformed | OriginNotAllowed | SessionHeaderRequired,
    reason: str | None,
) -> Refusal:
    code = error.default_code
    return Refusal(
        session_events.REFUSED, code, error.session_uuid, details={"code": code, "reason": reason}
    )


def _quota_exceeded(error: QuotaExceeded) -> Refusal:
    return Refusal(
        upload_events.QUOTA_EXCEEDED,
        session_uuid=error.session_uuid,
        personal=Personal(file_name=error.file_name),
        details={
            "max_files": settings.UPLOAD_MAX_FILES,
            "max_total_bytes": settings.UPLOAD_MAX_TOTAL_BYTES,
        },
    )


def _file_rejected(error: FileRejected) -> Refusal:
    return Refusal(
        upload_events.REJECTED,
        kind=error.default_code,
        session_uuid=error.session_uuid,
        personal=Personal(file_name=error.file_name),
        details={"code": error.default_code},
    )

"""The audit events of sessions."""

from audit_app.events import register
from audit_app.models import AuditOutcome

CREATED = register(
    "session.created",
    "A visitor's session began.",
    "credential",
    "support_code",
    feed=True,
)
IDENTIFIED = register(
    "session.identified", "A visitor gave, changed or took back contact data.", "fields"
)
COMPLETED = register("session.completed", "A visitor proved the e-mail address by a code.")
TOKEN_ROTATED = register(
    "session.token_rotated", "A session got a new token in place of the one before.", "reason"
)
EXPIRED = register(
    "session.expired",
    "A session's time ran out; recorded by the sweep or by the first request that met it.",
    "reason",
    feed=True,
)
RESET = register(
    "session.reset",
    "A visitor left a session, active or expired, for a fresh one.",
    "reason",
    "from_status",
    "successor",
    "lost_files",
    feed=True,
)
ENDED = register("session.ended", "A visitor ended a session.", "lost_files", feed=True)
REVOKED = register(
    "session.revoked", "A staff member ended a session.", "reason", "lost_files", feed=True
)
RECOVERY_ISSUED = register(
    "session.recovery_issued", "A staff member issued a code to recover a session.", "reason"
)
RECOVERED = register(
    "session.recovered", "A session was taken to another device by a recovery code."
)
EXTENDED = register(
    "session.extended", "A staff member let a session live longer.", "reason", "until"
)
EXPORTED = register(
    "session.exported", "Everything held about a session was handed out.", "reason", "format"
)
ERASURE_REQUESTED = register(
    "session.erasure_requested",
    "A session was closed for good and everything personal in the database removed.",
    "reason",
)
PERSON_ERASURE_REQUESTED = register(
    "person.erasure_requested",
    "A staff member asked to erase every session of one proven e-mail address; each session's own "
    "erasure follows.",
    "reason",
    "sessions",
)
ERASED = register("session.erased", "Nothing personal and no file is left of a session.", feed=True)
CONTACT_ERASED = register(
    "session.contact_erased", "Contact data went with the end of its retention."
)
CONSENT_GRANTED = register(
    "consent.granted", "A visitor agreed to a purpose.", "purpose", "version"
)
CONSENT_WITHDRAWN = register(
    "consent.withdrawn", "A visitor refused a purpose or took agreement back.", "purpose", "version"
)
SERVICE_KEY_CREATED = register(
    "service.key_created", "A key for one of our own services was made.", "scopes", "expires_at"
)
SERVICE_KEY_REVOKED = register("service.key_revoked", "A service's key was taken back.")
SERVICE_REFUSED = register(
    "service.refused",
    "A request was refused because of its service key.",
    "code",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
REFUSED = register(
    "session.refused",
    "A request was refused because of its proof: required, invalid, mismatch, malformed, or a wrong code.",
    "code",
    "reason",
    "repeated",
    outcome=AuditOutcome.DENIED,
)

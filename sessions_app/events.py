"""The audit events of sessions."""

from audit_app.events import register
from audit_app.models import AuditOutcome

CREATED = register(
    "session.created",
    "A session was created.",
    "credential",
    "support_code",
    feed=True,
)
IDENTIFIED = register(
    "session.identified", "A visitor gave, changed or deleted contact data.", "fields"
)
COMPLETED = register("session.completed", "A visitor verified the e-mail address by a code.")
TOKEN_ROTATED = register("session.token_rotated", "A session got a new token.", "reason")
EXPIRED = register(
    "session.expired",
    "A session expired; recorded by the sweep or by the first request after the expiry.",
    "reason",
    feed=True,
)
RESET = register(
    "session.reset",
    "A visitor replaced a session, active or expired, by a new one.",
    "reason",
    "from_status",
    "successor",
    "lost_files",
    feed=True,
)
ENDED = register("session.ended", "A visitor ended a session.", "lost_files", feed=True)
REVOKED = register(
    "session.revoked", "A staff member revoked a session.", "reason", "lost_files", feed=True
)
RECOVERY_ISSUED = register(
    "session.recovery_issued", "A staff member issued a recovery code.", "reason"
)
RECOVERED = register(
    "session.recovered", "A session was recovered on another device with a recovery code."
)
EXTENDED = register("session.extended", "A staff member extended a session.", "reason", "until")
EXPORTED = register("session.exported", "All data of a session was exported.", "reason", "format")
ERASURE_REQUESTED = register(
    "session.erasure_requested",
    "A session was closed for good and its personal data deleted from the database.",
    "reason",
)
PERSON_ERASURE_REQUESTED = register(
    "person.erasure_requested",
    "A staff member requested the erasure of every session of one verified e-mail address; each session's own erasure follows.",
    "reason",
    "sessions",
)
ERASED = register("session.erased", "No personal data and no file of a session remains.", feed=True)
CONTACT_ERASED = register(
    "session.contact_erased", "Contact data was deleted at the end of its retention."
)
CONSENT_GRANTED = register(
    "consent.granted", "A visitor consented to a purpose.", "purpose", "version"
)
CONSENT_WITHDRAWN = register(
    "consent.withdrawn", "A visitor refused a purpose or withdrew a consent.", "purpose", "version"
)
SERVICE_KEY_CREATED = register(
    "service.key_created", "A service key was created.", "scopes", "expires_at"
)
SERVICE_KEY_REVOKED = register("service.key_revoked", "A service key was revoked.")
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

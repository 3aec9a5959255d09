"""The audit events of sessions."""

from audit_app.events import register
from audit_app.models import AuditOutcome, RetentionClass

REFUSED_WORDS = {
    "session_required": "it had no session",
    "session_invalid": "its session token is not valid",
    "session_mismatch": "its session token belongs to another session",
    "credentials_differ": "it had two different session tokens",
    "uuid_malformed": "its session UUID is malformed",
    "session_header_required": "it did not name its session",
    "origin_not_allowed": "it came from a foreign page",
    "code_wrong": "the e-mail code was wrong",
    "recovery_invalid": "the recovery code is not valid",
    "link_invalid": "its link is not valid",
}
CREATED = register(
    "session.created",
    "A session was created.",
    "credential",
    "support_code",
    feed=True,
    activity="{who} started this session.",
)
IDENTIFIED = register(
    "session.identified",
    "A visitor gave, changed or deleted contact data.",
    "fields",
    activity="{who} changed your name or e-mail address.",
    story="{who} changed contact data",
    words={"email": "e-mail address"},
)
COMPLETED = register(
    "session.completed",
    "A visitor verified the e-mail address by a code.",
    activity="{who} confirmed your e-mail address.",
    story="{who} confirmed the e-mail address",
)
TOKEN_ROTATED = register(
    "session.token_rotated",
    "A session got a new token.",
    "reason",
    activity="This session got a new token.",
    words={
        "contact_data": "contact data was entered",
        "completed": "the e-mail address was confirmed",
        "recovered": "it was opened on another device",
        "reset_repeated": "a lost answer was repeated",
        "recovery_repeated": "a lost answer was repeated",
    },
    technical=True,
)
EXPIRED = register(
    "session.expired",
    "A session expired; recorded by the sweep or by the first request after the expiry.",
    "reason",
    feed=True,
    activity="This session expired.",
    words={
        "idle": "it was not used for too long",
        "absolute": "it reached its maximum age",
        "unused": "it was never used",
        "extended": "the extension by staff was over",
    },
)
RESET = register(
    "session.reset",
    "A visitor replaced a session, active or expired, by a new one.",
    "reason",
    "from_status",
    "successor",
    "lost_files",
    feed=True,
    activity="{who} started a new session.",
    words={
        "requested": "the visitor asked for it",
        "expired": "the old one had expired",
        "mismatch": "the browser had a different session",
        "not_me": "another person used the browser",
    },
)
ENDED = register(
    "session.ended",
    "A visitor ended a session.",
    "lost_files",
    feed=True,
    activity="{who} ended this session.",
)
REVOKED = register(
    "session.revoked",
    "A staff member revoked a session.",
    "reason",
    "lost_files",
    feed=True,
    activity="{who} closed this session.",
    retention=RetentionClass.SECURITY,
)
RECOVERY_ISSUED = register(
    "session.recovery_issued",
    "A staff member issued a recovery code.",
    "reason",
    activity="{who} issued a recovery code for this session.",
    retention=RetentionClass.SECURITY,
)
RECOVERED = register(
    "session.recovered",
    "A session was recovered on another device with a recovery code.",
    activity="{who} opened this session on another device.",
)
EXTENDED = register(
    "session.extended",
    "A staff member extended a session.",
    "reason",
    "until",
    activity="{who} extended this session.",
    retention=RetentionClass.SECURITY,
)
EXPORTED = register(
    "session.exported",
    "All data of a session was exported.",
    "reason",
    "format",
    activity="{who} exported all data of this session.",
)
ERASURE_REQUESTED = register(
    "session.erasure_requested",
    "A session was closed for good and its personal data deleted from the database.",
    "reason",
    activity="{who} asked to erase this session.",
    words={"visitor": "the visitor asked for it", "adopted": "it had been erased before a restore"},
    retention=RetentionClass.ERASURE,
)
PERSON_ERASURE_REQUESTED = register(
    "person.erasure_requested",
    "A staff member requested the erasure of every session of one verified e-mail address; each session's own erasure follows.",
    "reason",
    "sessions",
    activity="{who} asked to erase all sessions of your e-mail address.",
    story="{who} asked to erase all {sessions} verified sessions of this e-mail address",
    retention=RetentionClass.ERASURE,
)
ERASED = register(
    "session.erased",
    "No personal data and no file of a session remains.",
    feed=True,
    activity="Your personal data and your files were erased.",
    story="Personal data and files were erased",
    retention=RetentionClass.ERASURE,
)
CONTACT_ERASED = register(
    "session.contact_erased",
    "Contact data was deleted at the end of its retention.",
    activity="Your name and your e-mail address were deleted at the end of their retention.",
    story="Contact data was deleted at the end of its retention",
    retention=RetentionClass.ERASURE,
)
CONSENT_GRANTED = register(
    "consent.granted",
    "A visitor consented to a purpose.",
    "purpose",
    "version",
    activity="{who} gave your consent to a purpose.",
    story="{who} consented to “{purpose}”, wording {version}",
)
CONSENT_WITHDRAWN = register(
    "consent.withdrawn",
    "A visitor refused a purpose or withdrew a consent.",
    "purpose",
    "version",
    activity="{who} refused a purpose or withdrew your consent.",
    story="{who} refused “{purpose}”, wording {version}",
)
SERVICE_KEY_CREATED = register(
    "service.key_created",
    "A service key was created.",
    "scopes",
    "expires_at",
    story="{who} created a service key, scopes {scopes}",
    retention=RetentionClass.SECURITY,
)
SERVICE_KEY_REVOKED = register(
    "service.key_revoked",
    "A service key was revoked.",
    story="{who} revoked a service key",
    retention=RetentionClass.SECURITY,
)
SERVICE_REFUSED = register(
    "service.refused",
    "A request was refused because of its service key.",
    "code",
    "repeated",
    outcome=AuditOutcome.DENIED,
    story="A request of a service was refused",
    words={
        "service_key_required": "it had no service key",
        "service_key_invalid": "its service key is not valid",
        "scope_missing": "its service key lacks the scope",
    },
    retention=RetentionClass.SECURITY,
)
REFUSED = register(
    "session.refused",
    "A request was refused because of its proof or its origin: required, invalid, mismatch, malformed, a wrong code, a missing header, or a foreign page.",
    "code",
    "reason",
    "repeated",
    outcome=AuditOutcome.DENIED,
    activity="A request to this session was refused.",
    story="A request was refused",
    words=REFUSED_WORDS,
    retention=RetentionClass.REFUSAL,
)

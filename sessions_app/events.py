"""The audit events of sessions."""

from audit_app.events import register
from audit_app.models import Outcome

CREATED = register("session.created", "A visitor's session began.", "credential", "support_code")
EXPIRED = register(
    "session.expired",
    "A session's time ran out; recorded by the sweep or by the first request that met it.",
    "reason",
)
RESET = register(
    "session.reset",
    "A visitor left a session, active or expired, for a fresh one.",
    "reason",
    "from_status",
    "successor",
    "lost_files",
)
ENDED = register("session.ended", "A visitor ended a session.", "lost_files")
REVOKED = register("session.revoked", "A staff member ended a session.", "reason", "lost_files")
REFUSED = register(
    "session.refused",
    "A request was refused because of its session: required, invalid, mismatch or malformed.",
    "code",
    "reason",
    "repeated",
    outcome=Outcome.DENIED,
)

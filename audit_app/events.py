"""The registry of audit events: each type lists the only detail keys its rows may carry.

An app registers its events once, in its own `events.py`, and passes the
constants to `record`; an event nobody registered cannot be written.
"""

from dataclasses import dataclass

from audit_app.models import AuditOutcome


@dataclass(frozen=True)
class EventType:
    """One kind of event: its name, when it is written, what its details may say, who is told."""

    name: str
    meaning: str
    keys: frozenset[str]
    outcome: AuditOutcome
    feed: bool


_registry: dict[str, EventType] = {}


def register(
    name: str,
    meaning: str,
    *keys: str,
    outcome: AuditOutcome = AuditOutcome.SUCCESS,
    feed: bool = False,
) -> EventType:
    """Add an event type and return it; a second registration of a name is an error.

    With `feed`, services that follow the feed are told of each such event.
    """
    if name in _registry:
        raise ValueError(f"the event {name} is registered twice")
    _registry[name] = EventType(name, meaning, frozenset(keys), outcome, feed)
    return _registry[name]


def meaning(name: str) -> str:
    """Return what an event type means; empty for one that is not registered any more."""
    return _registry[name].meaning if name in _registry else ""


def registered() -> list[EventType]:
    """Return every event type in the order of its name."""
    return [_registry[name] for name in sorted(_registry)]


def refusals() -> list[EventType]:
    """Return the events that tell of a visitor or a service whose request was refused.

    A limit that was passed is none: it is counted apart.
    """
    others = ("staff.", "ratelimit.")
    return [
        event
        for event in registered()
        if event.outcome == AuditOutcome.DENIED and not event.name.startswith(others)
    ]


RATE_LIMIT_EXCEEDED = register(
    "ratelimit.exceeded",
    "A client or session sent more requests than a limit allows.",
    "limit",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
STAFF_SIGNED_IN = register("staff.signed_in", "A staff member signed in to the admin.")
STAFF_SIGNED_OUT = register(
    "staff.signed_out", "A staff member signed out, in every browser at once."
)
STAFF_SIGN_IN_FAILED = register(
    "staff.sign_in_failed",
    "Somebody tried to sign in to the admin and failed.",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
STAFF_LOCKED_OUT = register(
    "staff.locked_out",
    "So many sign-ins failed, under one name or from one address, that none is looked at for a while.",
    "account",
    "by",
    outcome=AuditOutcome.DENIED,
)
STAFF_LOCK_LIFTED = register(
    "staff.lock_lifted",
    "An operator let sign-ins under a name or from an address be looked at again.",
    "account",
    "by",
)
STAFF_SESSION_VIEWED = register(
    "staff.session_viewed",
    "A staff member opened a page about a session; at most once an hour for each person.",
    "page",
)
STAFF_REVEALED = register(
    "staff.personal_data_revealed",
    "A staff member had the personal values of a page shown.",
    "page",
    "reason",
)
STAFF_SEARCHED = register(
    "staff.searched",
    "A staff member searched by something personal; what was typed is not kept.",
    "kind",
    "found",
)
STAFF_EXPORTED = register(
    "staff.exported",
    "A staff member took audit events out as a file.",
    "format",
    "rows",
    "filters",
    "reason",
)
STAFF_PERMISSION_DENIED = register(
    "staff.permission_denied",
    "A staff member asked for a page that their groups do not allow.",
    "page",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
STAFF_ACCOUNT_CHANGED = register(
    "staff.account_changed",
    "An account or a group of staff was made, changed or removed.",
    "account",
    "change",
    "fields",
    "reason",
)

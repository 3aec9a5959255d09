"""The registry of audit event types. Each type lists the detail keys that its events may have.

An app registers its types once, in its own `events.py`, and passes the
constants to `record`. An event without a registered type cannot be recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from audit_app.models import AuditOutcome, RetentionClass


@dataclass(frozen=True)
class EventType:
    """One type of event. `keys` are the allowed details; `feed` adds its events to the feed.

    `activity` is its sentence for the visitor, with places for `{who}` and `{file}`.
    `story` is its sentence for staff, where it differs; it may also have places for
    details. `words` says in words what the code in a detail means. Staff see
    `technical` events only on demand. `retention` is the name of its RetentionClass: a class
    never changes, because sealed batches have one.
    """

    name: str
    meaning: str
    keys: frozenset[str]
    outcome: AuditOutcome
    feed: bool
    activity: str
    story: str
    words: Mapping[str, str]
    technical: bool
    retention: str


_registry: dict[str, EventType] = {}


def register(
    name: str,
    meaning: str,
    *keys: str,
    outcome: AuditOutcome = AuditOutcome.SUCCESS,
    feed: bool = False,
    activity: str = "",
    story: str = "",
    words: Mapping[str, str] | None = None,
    technical: bool = False,
    retention: RetentionClass = RetentionClass.ORDINARY,
) -> EventType:
    """Register an event type and return it; ValueError if the name is taken.

    With `feed`, services receive these events through the feed.
    """
    if name in _registry:
        raise ValueError(f"the event {name} is registered twice")
    _registry[name] = EventType(
        name,
        meaning,
        frozenset(keys),
        outcome,
        feed,
        activity,
        story or activity,
        words or {},
        technical,
        str(retention),
    )
    return _registry[name]


def event_type(name: str) -> EventType | None:
    """Return a type by its name; None for one that no longer exists."""
    return _registry.get(name)


def meaning(name: str) -> str:
    """Return the meaning of an event type; empty for a type that no longer exists."""
    return _registry[name].meaning if name in _registry else ""


def activity(name: str, *, who: str, file: str) -> str:
    """Return the visitor's sentence about an event, like `You uploaded report.pdf.`"""
    if name not in _registry or not _registry[name].activity:
        return meaning(name)
    sentence = _registry[name].activity.format(who=_capital(who), file=file or "a file")
    return sentence if file else _capital(sentence)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def registered() -> list[EventType]:
    return [_registry[name] for name in sorted(_registry)]


def refusals() -> list[EventType]:
    """Return the types of events about a refused request of a visitor or a service.

    Exceeded rate limits are not among them: they are counted separately.
    """
    others = ("staff.", "ratelimit.")
    return [
        event
        for event in registered()
        if event.outcome == AuditOutcome.DENIED and not event.name.startswith(others)
    ]


RATE_LIMIT_EXCEEDED = register(
    "ratelimit.exceeded",
    "A client, session or staff member sent more requests than a limit allows.",
    "limit",
    "repeated",
    outcome=AuditOutcome.DENIED,
    activity="There were too many requests in a short time.",
    story="A request was refused: too many in a short time",
    retention=RetentionClass.REFUSAL,
)
STAFF_SIGNED_IN = register(
    "staff.signed_in",
    "A staff member signed in to the admin.",
    story="{who} signed in",
    retention=RetentionClass.SECURITY,
)
STAFF_SIGNED_OUT = register(
    "staff.signed_out",
    "A staff member signed out, in every browser at once.",
    story="{who} signed out in every browser",
    retention=RetentionClass.SECURITY,
)
STAFF_SIGNED_OUT_ELSEWHERE = register(
    "staff.signed_out_elsewhere",
    "A staff member ended other sessions of the own account.",
    "sessions",
    story="{who} ended {sessions} other sessions of the own account",
    retention=RetentionClass.SECURITY,
)
STAFF_SIGN_IN_FAILED = register(
    "staff.sign_in_failed",
    "A sign-in to the admin failed, or a staff member confirmed a change with a wrong password.",
    "repeated",
    outcome=AuditOutcome.DENIED,
    story="A sign-in failed",
    retention=RetentionClass.SECURITY,
)
STAFF_LOCKED_OUT = register(
    "staff.locked_out",
    "Sign-in was locked for a while after too many failures, under one name or from one address.",
    "account",
    "by",
    outcome=AuditOutcome.DENIED,
    story="Sign-in was locked after too many failures, by {by}",
    retention=RetentionClass.SECURITY,
)
STAFF_LOCK_LIFTED = register(
    "staff.lock_lifted",
    "An operator lifted a sign-in lockout of a name or an address.",
    "account",
    "by",
    story="{who} lifted a sign-in lock, by {by}",
    retention=RetentionClass.SECURITY,
)
STAFF_SESSION_VIEWED = register(
    "staff.session_viewed",
    "A staff member opened a page about a session; at most one row an hour per person.",
    "page",
    activity="{who} opened a page about this session.",
    story="{who} viewed this session",
    retention=RetentionClass.SECURITY,
)
STAFF_REVEALED = register(
    "staff.personal_data_revealed",
    "A staff member revealed the personal values of a page.",
    "page",
    "reason",
    activity="{who} viewed your personal data.",
    story="{who} revealed the personal values",
    retention=RetentionClass.SECURITY,
)
STAFF_SEARCHED = register(
    "staff.searched",
    "A staff member searched by a personal value; the value is not recorded.",
    "kind",
    "found",
    story="{who} searched by {kind}: {found} found",
    retention=RetentionClass.SECURITY,
)
STAFF_EXPORTED = register(
    "staff.exported",
    "A staff member exported audit events.",
    "format",
    "rows",
    "filters",
    "reason",
    activity="{who} exported the history of this session.",
    story="{who} exported {rows} audit events",
    retention=RetentionClass.SECURITY,
)
STAFF_PERMISSION_DENIED = register(
    "staff.permission_denied",
    "A staff member requested a page that their groups do not allow.",
    "page",
    "repeated",
    outcome=AuditOutcome.DENIED,
    story="{who} was refused the page {page}",
    retention=RetentionClass.SECURITY,
)
STAFF_ACCOUNT_CHANGED = register(
    "staff.account_changed",
    "A staff account or group was created, changed or deleted.",
    "account",
    "change",
    "fields",
    "reason",
    story="{who} changed an account: {account} {change}",
    words={
        "made": "was created",
        "changed": "was changed",
        "removed": "was deleted",
        "second_factor_set_up": "set up a second factor",
        "second_factor_removed": "lost the second factor",
        "recovery_codes_renewed": "renewed the recovery codes",
        "recovery_code_used": "used a recovery code",
    },
    retention=RetentionClass.SECURITY,
)
SEAL_KEY_CREATED = register(
    "seal.key_created",
    "An operator created, rotated or replaced the key that seals the audit log.",
    "key",
    "since_head",
    "change",
    story="{who} changed the key of the audit log's seal",
    retention=RetentionClass.ERASURE,
)
SEAL_BREAK_ACCEPTED = register(
    "seal.break_accepted",
    "An operator accepted a break that verifications of the audit log warn about.",
    "difference",
    "reason",
    story="{who} accepted {difference} in the seal of the audit log",
    retention=RetentionClass.ERASURE,
)
SEAL_STATE_REBUILT = register(
    "seal.state_rebuilt",
    "An operator computed the lost state of the seal anew from its heads and batches.",
    "head",
    "waiting",
    story="{who} rebuilt the state of the audit log's seal up to head {head}",
    retention=RetentionClass.ERASURE,
)

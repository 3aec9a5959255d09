"""How layers above take part in a session's life without being imported here.

`session_described` is sent with `session` (a UserSession, or None for a
session yet to be made) and `aspect`; a receiver returns a mapping that becomes
part of the answer. The aspects: `limits` (what the session may hold), `used`
(what it holds), `lost` (what its end takes away: `count` and `files`), `held`
(everything kept about it, for an export) and `remaining` (what an erasure has
not removed yet).

`session_erasing` is sent inside the transaction that closes a session for
good; a receiver gives up what it holds of the session, in the database.
`session_erased` is sent when that is committed; a receiver removes what lies
outside the database, and what it cannot remove now it removes later.
"""

from typing import Any, Literal

from django.dispatch import Signal

session_described = Signal()
session_erasing = Signal()
session_erased = Signal()

Aspect = Literal["limits", "used", "lost", "held", "remaining"]


def describe(session: Any, aspect: Aspect) -> dict[str, Any]:
    """Collect what every layer says of one aspect of a session."""
    described: dict[str, Any] = {}
    answers: list[tuple[Any, Any]] = session_described.send(
        sender=None, session=session, aspect=aspect
    )
    for _, part in answers:
        described.update(part)
    return described

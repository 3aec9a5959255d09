"""How layers above take part in a session's life without being imported here.

`session_described` is sent with `session` (a UserSession, or None for a
session yet to be made). Each receiver returns a mapping whose keys become part
of the answer: `limits` (what the session may hold), `used` (what it holds) and
`lost` (what its end takes away: `count` and `files`).
"""

from typing import Any

from django.dispatch import Signal

session_described = Signal()


def describe(session: Any) -> dict[str, dict[str, Any]]:
    """Collect what every layer says of a session, as `limits`, `used` and `lost`."""
    described: dict[str, dict[str, Any]] = {"limits": {}, "used": {}, "lost": {}}
    answers: list[tuple[Any, Any]] = session_described.send(sender=None, session=session)
    for _, part in answers:
        for name, values in part.items():
            described[name].update(values)
    return described

"""Signals by which layers above take part in a session's life.

`session_described` is sent with `session` (a UserSession, or None before one is
created) and `aspect`. A receiver returns a mapping that becomes part of the
answer. The aspects: `limits` (the quota), `used` (how much of it is used),
`lost` (the files that the visitor loses: `count` and `files`), `export` (all
data about the session), `remaining` (what an erasure has not removed yet),
`tables` (tables with personal values of visitors), `related` (the one-to-one
relations of a session that `used` reads) and `revision` (annotations of a query of
sessions that read a row for each visible file: `file`, its id, and `file_status`).

`session_erasing` is sent inside the transaction that erases a session; a
receiver removes its data from the database. `session_erased` is sent after the
commit; a receiver removes data outside the database, and retries later if that
fails.
"""

from typing import Any, Literal

from django.dispatch import Signal

session_described = Signal()
session_erasing = Signal()
session_erased = Signal()

Aspect = Literal["limits", "used", "lost", "export", "remaining", "tables", "related", "revision"]


def describe(session: Any, aspect: Aspect) -> dict[str, Any]:
    """Merge the answers of all receivers to one aspect of a session."""
    described: dict[str, Any] = {}
    answers: list[tuple[Any, Any]] = session_described.send(
        sender=None, session=session, aspect=aspect
    )
    for _, part in answers:
        described.update(part)
    return described

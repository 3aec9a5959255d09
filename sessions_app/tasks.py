"""Scheduled tasks of sessions."""

from common.schedules import task
from sessions_app.services import identity, privacy, sessions

SWEEP_LIMIT = 20_000
# django-q2 kills a task after 300 s.
SWEEP_SECONDS = 200


@task
def expire_sessions() -> int:
    """Mark due sessions as expired, up to SWEEP_LIMIT; the next run continues."""
    return sessions.expire_due_sessions(limit=SWEEP_LIMIT)


@task
def forget_visitors() -> int:
    """Remove contact data whose retention is over, and finish pending erasures."""
    forgotten = identity.forget_past_retention(limit=SWEEP_LIMIT)
    return forgotten + privacy.finish_erasures(limit=SWEEP_LIMIT, seconds=SWEEP_SECONDS)

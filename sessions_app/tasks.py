"""What django-q2 runs for sessions."""

from common.schedules import task
from sessions_app import services
from sessions_app.services import identity, privacy

SWEEP_LIMIT = 20_000
# Well before django-q2 would kill the task, which is at 300 s.
SWEEP_SECONDS = 200


@task
def expire_sessions() -> int:
    """Record sessions whose time has run out; what one run leaves, the next one takes."""
    return services.expire_due_sessions(limit=SWEEP_LIMIT)


@task
def forget_visitors() -> int:
    """Remove contact data whose retention is over, and finish what an erasure left behind."""
    forgotten = identity.forget_past_retention(limit=SWEEP_LIMIT)
    return forgotten + privacy.finish_erasures(limit=SWEEP_LIMIT, seconds=SWEEP_SECONDS)

"""What django-q2 runs for sessions."""

from sessions_app import services

SWEEP_LIMIT = 20_000


def expire_sessions() -> int:
    """Record sessions whose time has run out; what one run leaves, the next one takes."""
    return services.expire_due_sessions(limit=SWEEP_LIMIT)

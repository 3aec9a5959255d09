"""Scheduled tasks of the audit log."""

from audit_app.seal import scheduled
from common.schedules import task

# django-q2 kills a task after 300 s.
VERIFY_SECONDS = 200


@task
def seal_audit() -> str:
    """Seal the audit log if rows have waited for 5 minutes or are 10,000, and write the anchors."""
    return scheduled.seal_and_anchor()


@task
def verify_audit() -> str:
    """Verify the audit log against its seal, once a day; a long verification takes several runs."""
    return scheduled.verify_in_turn(VERIFY_SECONDS)

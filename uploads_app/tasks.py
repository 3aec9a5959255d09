"""What django-q2 runs for files."""

import logging

from django.conf import settings

from audit_app import context
from uploads_app import alarm, cleanup
from uploads_app.models import RunStatus

logger = logging.getLogger(__name__)

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200


def cleanup_orphans() -> str:
    """Run the cleanup as the schedule asks; what one run leaves, the next one takes."""
    status = _clean_up(dry_run=False)
    alarm.watch()
    return status


def cleanup_orphans_for(staff_id: int, dry_run: bool, request_id: str = "") -> str:
    """Run the cleanup because a staff member asked for it, in whose name it is recorded."""
    asked = context.RequestContext(request_id=request_id, actor=f"{context.STAFF}{staff_id}")
    with context.using(asked):
        return _clean_up(dry_run=dry_run)


def watch_cleanup() -> str:
    """Mail the administrators if the cleanup got into trouble, or out of it."""
    return alarm.watch()


def _clean_up(*, dry_run: bool) -> str:
    run = cleanup.cleanup_orphans(
        cleanup.Options(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS, dry_run=dry_run)
    )
    if run.status == RunStatus.STOPPED:
        logger.error("cleanup stopped: %s", run.stop_sentence, extra={"code": run.stop_code})
    return str(run.status)

"""What django-q2 runs for files."""

import logging

from django.conf import settings

from uploads_app import cleanup, parsers
from uploads_app.models import RunStatus

logger = logging.getLogger(__name__)

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200


def cleanup_orphans() -> str:
    """Run the cleanup as the schedule asks; what one run leaves, the next one takes."""
    parsers.sweep_spool()
    run = cleanup.cleanup_orphans(
        cleanup.Options(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS)
    )
    if run.status == RunStatus.STOPPED:
        logger.error("cleanup stopped: %s", run.stop_sentence, extra={"code": run.stop_code})
    return str(run.status)

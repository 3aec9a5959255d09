"""What django-q2 runs for files."""

import logging
import time

from django.conf import settings

from uploads_app import cleanup, services
from uploads_app.models import RunStatus, UploadedFile

logger = logging.getLogger(__name__)

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200
# The inspection's schedule is a minute: so it keeps one worker busy at most, whatever is sent.
INSPECT_SECONDS = 45
INSPECT_BATCH = 500
INSPECT_FAILURES = 20


def cleanup_orphans() -> str:
    """Run the cleanup as the schedule asks; what one run leaves, the next one takes."""
    run, _ = cleanup.cleanup_orphans(
        cleanup.Options(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS)
    )
    if run.status == RunStatus.STOPPED:
        logger.error("cleanup stopped: %s", run.stop_sentence, extra={"code": run.stop_code})
    return str(run.status)


def inspect_uploads() -> int:
    """Look inside stored files that still wait for it, newest first; return how many were done.

    What storage does not give now, and what time does not allow, waits for the next run. Newest
    first, because whoever has just sent a file may be waiting to open it; a backlog is not.
    """
    deadline = time.monotonic() + INSPECT_SECONDS
    done = failures = 0
    for upload in UploadedFile.objects.uninspected().order_by("-stored_at")[:INSPECT_BATCH]:
        if time.monotonic() > deadline or failures == INSPECT_FAILURES:
            break
        try:
            done += services.inspect_upload(upload=upload)
        except FileNotFoundError:
            """The cleanup will note that it is missing."""
        except OSError as error:
            failures += 1
            logger.warning("%s could not be looked into: %s", upload.key, error)
    return done

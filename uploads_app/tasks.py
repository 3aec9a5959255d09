"""What django-q2 runs for files."""

import logging
import time

from django.conf import settings

from common import context
from common.schedules import task
from uploads_app.cleanup import alerts, trash
from uploads_app.cleanup import run as cleanup
from uploads_app.cleanup.work import CleanupOptions
from uploads_app.models import RunStatus, UploadedFile
from uploads_app.services.inspection import inspect_upload
from uploads_app.storage import spool

logger = logging.getLogger(__name__)

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200
# The inspection's schedule is a minute: so it keeps one worker busy at most, whatever is sent.
INSPECT_SECONDS = 45
INSPECT_BATCH = 500
INSPECT_FAILURES = 20


@task
def cleanup_orphans() -> str:
    """Run the cleanup as the schedule asks; what one run leaves, the next one takes."""
    spool.sweep()
    status = _clean_up(dry_run=False)
    alerts.watch()
    return status


@task
def cleanup_orphans_for(staff_id: int, dry_run: bool, request_id: str = "") -> str:
    """Run the cleanup because a staff member asked for it, in whose name it is recorded."""
    request_context = context.RequestContext(
        request_id=request_id, actor=f"{context.STAFF}{staff_id}"
    )
    with context.using(request_context):
        return _clean_up(dry_run=dry_run)


@task
def give_back_for(staff_id: int, keys: list[str], request_id: str = "") -> str:
    """Give objects back from quarantine because a staff member asked for it, in whose name it is recorded."""
    request_context = context.RequestContext(
        request_id=request_id, actor=f"{context.STAFF}{staff_id}"
    )
    with context.using(request_context):
        given = trash.restore_objects(keys=keys, seconds=RUN_SECONDS)
    for key, why in given.refused.items():
        logger.warning("%s was not given back: %s", key, why)
    return f"{len(given.keys)} of {len(keys)} objects given back"


@task
def watch_cleanup() -> str:
    """Mail the administrators if the cleanup got into trouble, or out of it."""
    return alerts.watch()


def _clean_up(*, dry_run: bool) -> str:
    run = cleanup.cleanup_orphans(
        CleanupOptions(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS, dry_run=dry_run)
    )
    if run.status == RunStatus.STOPPED:
        logger.error("cleanup stopped: %s", run.stop_sentence, extra={"code": run.stop_code})
    return str(run.status)


@task
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
            done += inspect_upload(upload=upload)
        except FileNotFoundError:
            """The cleanup will note that it is missing."""
        except OSError as error:
            failures += 1
            logger.warning("%s could not be looked into: %s", upload.key, error)
    return done

"""The tasks that django-q2 runs for files."""

import logging
import time

from django.conf import settings
from django_q.tasks import async_task

from common import context
from common.schedules import task, task_name
from uploads_app.cleanup import alerts, trash
from uploads_app.cleanup import run as cleanup
from uploads_app.cleanup.run_context import CleanupOptions
from uploads_app.models import RunStatus, UploadedFile
from uploads_app.services.inspection import inspect_upload
from uploads_app.services.inspection_queue import InspectionQueue, release
from uploads_app.storage import spool

logger = logging.getLogger(__name__)

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200
# Below the interval of a minute, so that other tasks have their turn in each minute.
INSPECT_SECONDS = 45
INSPECT_BATCH = 500
# One worker inspects so many files in its time.
INSPECT_ALONE = 100
INSPECT_FAILURES = 20


@task
def cleanup_orphans() -> str:
    """Run the scheduled cleanup. The next run continues an incomplete one."""
    spool.sweep()
    status = _clean_up(dry_run=False)
    alerts.watch()
    return status


@task
def cleanup_orphans_for(staff_id: int, dry_run: bool, request_id: str = "") -> str:
    """Run the cleanup on behalf of a staff member, who becomes the actor."""
    request_context = context.RequestContext(
        request_id=request_id, actor=f"{context.STAFF}{staff_id}"
    )
    with context.using(request_context):
        return _clean_up(dry_run=dry_run)


@task
def give_back_for(staff_id: int, keys: list[str], request_id: str = "") -> str:
    """Restore objects from the trash on behalf of a staff member, who becomes the actor."""
    request_context = context.RequestContext(
        request_id=request_id, actor=f"{context.STAFF}{staff_id}"
    )
    with context.using(request_context):
        result = trash.restore_objects(keys=keys, seconds=RUN_SECONDS)
    for key, why in result.refused.items():
        logger.warning("%s was not restored: %s", key, why)
    return f"{len(result.keys)} of {len(keys)} objects restored"


@task
def watch_cleanup() -> str:
    """Mail the administrators if the cleanup has failed, or the failure was resolved."""
    return alerts.watch()


def _clean_up(*, dry_run: bool) -> str:
    run = cleanup.cleanup_orphans(
        CleanupOptions(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS, dry_run=dry_run)
    )
    if run.status == RunStatus.STOPPED:
        logger.error("cleanup stopped: %s", run.stop_sentence, extra={"code": run.stop_code})
    return str(run.status)


@task
def inspect_uploads(until: float = 0) -> int:
    """Inspect stored files that have no verdict, in a fair order; return how many got one.

    If many wait, another worker is asked to help after the first file, and it may ask the
    next one, all `until` the same time (seconds since 1970). Files that time or the store do
    not allow are inspected by the next run.
    """
    until = until or time.time() + INSPECT_SECONDS
    queue = InspectionQueue(INSPECT_BATCH)
    verdicts = inspected = failures = 0
    while time.time() < until and failures < INSPECT_FAILURES:
        upload = queue.take()
        if upload is None:
            break
        try:
            verdicts += _inspect(queue, upload)
        except FileNotFoundError:  # the cleanup will mark it as missing
            release(upload)
        except OSError as error:
            failures += 1
            release(upload)
            logger.warning("%s could not be inspected: %s", upload.key, error)
        else:
            inspected += 1
            # Not before: if no file can be read, helpers would only call helpers.
            if inspected == 1 and len(queue) >= INSPECT_ALONE:
                async_task(task_name(inspect_uploads), until, task_name="inspect files together")
    return verdicts


def _inspect(queue: InspectionQueue, upload: UploadedFile) -> bool:
    before = upload.inspection_cost
    has_verdict = inspect_upload(upload=upload)
    queue.charge(upload, upload.inspection_cost - before)
    return has_verdict

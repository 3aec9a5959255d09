"""What django-q2 runs for files."""

from django.conf import settings

from uploads_app import cleanup

# Well before django-q2 would kill the task, which is at 300 s.
RUN_SECONDS = 200


def cleanup_orphans() -> str:
    """Run the cleanup as the schedule asks; what one run leaves, the next one takes."""
    run, _ = cleanup.cleanup_orphans(
        cleanup.Options(grace=settings.CLEANUP_GRACE, seconds=RUN_SECONDS)
    )
    return str(run.status)

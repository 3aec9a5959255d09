"""What to do about each stop code of a run, and about each code of an alert.

The command, the admin and the mail print it; docs/operations.md lists it.
"""

from common.database_errors import DatabaseFailure, failure_of

# The process of the run died.
KILLED = "killed"
# Only of an alert: no run has completed for longer than two intervals.
OVERDUE = "overdue"

_WHAT_TO_DO = {
    "database_unavailable": "Repair the database. The next run continues.",
    "database_error": "Find the error in the log of the worker, and report it.",
    "database_schema": "Run manage.py migrate, or start the worker with the new version.",
    "database_standby": "Point DATABASE_URL at the primary.",
    "storage_unavailable": "Check the store: disk, mount, permissions, credentials.",
    "listing_incomplete": "Check the store: disk, mount, permissions, credentials.",
    "clocks_differ": "Synchronize the clocks of store and database by NTP.",
    "clock_jumped": (
        "Compare the clock with another machine. If it is right, run manage.py cleanup_orphans "
        "--accept-clock once."
    ),
    "marker_missing": (
        "Mount the right store. If only the marker is lost, run manage.py cleanup_orphans --adopt."
    ),
    "marker_unreadable": "Check marker.json. Then run manage.py cleanup_orphans --adopt.",
    "marker_unknown": "Correct DATABASE_URL, or restore the database.",
    "marker_foreign": "Correct DATA_DIR, STORAGE_URL or DATABASE_URL.",
    "store_ahead": (
        "If the database was not restored, stop every process of its other copy first. Read Backup "
        "and restore in docs/operations.md. Then run manage.py cleanup_orphans --adopt."
    ),
    "store_behind": (
        "Mount the right store. If the store was restored from a backup, run manage.py "
        "cleanup_orphans --adopt."
    ),
    "database_forked": (
        "Stop every process of the other copy, or give it a STORAGE_URL of its own. Then run "
        "manage.py cleanup_orphans --adopt with the right database."
    ),
    "one_store": "Correct one of STORAGE_URL and STORAGE_PREVIOUS_URL.",
    "store_not_empty": "Name an empty store in STORAGE_URL.",
    "no_sessions": "Correct DATABASE_URL.",
    "too_many_unexpected": (
        "List them with manage.py cleanup_orphans --dry-run --json. Restore the missing files. If "
        "the list is as expected, run it once with --allow-share."
    ),
    "too_many_past_retention": (
        "List them with manage.py cleanup_orphans --dry-run --json. Check the clock, UPLOAD_RETENTION "
        "and COMPLETED_RETENTION. If the files may be deleted, run it once with --allow-share."
    ),
    "canary": "Report it as a mistake in the product. Until it is fixed, nothing is deleted.",
    "lease_lost": "Nothing, if it happened once. If it repeats, check the speed of the store.",
    "out_of_time": "Run manage.py cleanup_orphans --dry-run by hand. It has no time limit.",
    KILLED: (
        "Nothing, if it happened once: the next run continues. If it repeats, find the cause in the "
        "logs of the worker and the system. Often the memory was too small."
    ),
    OVERDUE: (
        "Check in the admin, under Scheduled tasks, whether the worker runs and what has failed. If "
        "it does not run, start it."
    ),
}
_BY_FAILURE = {
    DatabaseFailure.READ_ONLY: "database_standby",
    DatabaseFailure.OLD_SCHEMA: "database_schema",
    None: "database_error",
}


def what_to_do(code: str) -> str:
    """Return what an operator should do about a stop code; empty for no code."""
    return _WHAT_TO_DO.get(code, "Find the code in docs/operations.md.") if code else ""


def known() -> dict[str, str]:
    return dict(_WHAT_TO_DO)


def of_database_error(error: BaseException) -> str:
    """Return the stop code of a run that the database ended."""
    return _BY_FAILURE.get(failure_of(error), "database_unavailable")

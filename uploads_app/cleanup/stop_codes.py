"""How the cleanup stops, and what to do about each code with which it does, or which the alarm gives.

The command, the admin and the mail tell it; docs/operations.md lists it.
"""

# The run's process died, and nobody has heard why.
KILLED = "killed"
# The alarm's own: for longer than two intervals no run has ended well.
OVERDUE = "overdue"

_WHAT_TO_DO = {
    "database_unavailable": "Mend the database; the next run goes on.",
    "database_standby": "Point DATABASE_URL at the primary.",
    "storage_unavailable": "Look at the store: disk, mount, permissions, credentials.",
    "listing_incomplete": "Look at the store: disk, mount, permissions, credentials.",
    "clocks_differ": "Set the clocks of store and database by NTP.",
    "marker_missing": (
        "Mount the right store; if only the marker is lost, run manage.py cleanup_orphans --adopt."
    ),
    "marker_unreadable": "Look at marker.json; then run manage.py cleanup_orphans --adopt.",
    "marker_unknown": "Correct DATABASE_URL, or restore the database.",
    "marker_foreign": "Correct DATA_DIR, STORAGE_URL or DATABASE_URL.",
    "store_ahead": (
        "Read Backup and restore in docs/operations.md, then run manage.py cleanup_orphans --adopt."
    ),
    "one_store": "Correct one of STORAGE_URL and STORAGE_PREVIOUS_URL.",
    "store_not_empty": "Name an empty store in STORAGE_URL.",
    "no_sessions": "Correct DATABASE_URL.",
    "too_many_unexpected": (
        "List them with manage.py cleanup_orphans --dry-run --json; restore what is missing; if all "
        "is as it should be, run it once with --allow-share."
    ),
    "canary": "Report it as a mistake in the product; nothing is removed meanwhile.",
    "lease_lost": "Once: nothing. If it repeats, look at the store's speed.",
    "out_of_time": ("Run manage.py cleanup_orphans --dry-run by hand: it has no such limit."),
    KILLED: (
        "Once: nothing, the next run goes on. If it repeats, look for the cause in the worker's log "
        "and the system's: memory, most often."
    ),
    OVERDUE: (
        "See in the admin, under Scheduled tasks, that the worker runs, and what has failed; start "
        "it again if it does not."
    ),
}


def what_to_do(code: str) -> str:
    """Return what a person should do about a stop code, in plain sentences; empty for no code."""
    return _WHAT_TO_DO.get(code, "Look the code up in docs/operations.md.") if code else ""


def known() -> dict[str, str]:
    """Return every code with what to do about it."""
    return dict(_WHAT_TO_DO)

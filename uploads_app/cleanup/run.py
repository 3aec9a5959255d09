"""One run of the cleanup: look at everything first, act only if nothing is wrong.

Most of what follows is reasons not to act. A run works under a lease, so that
no two remove at once, and every action asks the database again whether it
still holds. A store too large for one scheduled run is looked through by
several; what they find is written down, and nothing is concluded before the
last page.
"""

import logging
import secrets
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from audit_app.events import EventType
from audit_app.services import record
from common import context
from uploads_app import events, marker
from uploads_app.cleanup import apply, reconcile, scan
from uploads_app.cleanup.reconcile import (
    LIMITED,
    UNEXPECTED,
    Ages,
    Finding,
    FindingKind,
    ScanProgress,
)
from uploads_app.cleanup.work import BATCH, BY_ROW, IN_QUARANTINE, CleanupContext, CleanupOptions
from uploads_app.marker import Stop
from uploads_app.models import CleanupRun, RunStatus
from uploads_app.storage.base import CLOCK_TOLERANCE, ListingIncomplete, ObjectStore, object_store

logger = logging.getLogger(__name__)


def cleanup_orphans(options: CleanupOptions) -> CleanupRun:
    """Remove what should be gone, put aside what no row explains; return the run's record.

    A dry run tells exactly what the same run without it would act on, and
    leaves nothing behind but its CleanupRun. What a deployment can have wrong
    raises nothing: the run then says `stopped`, with a code and a sentence.
    """
    run = CleanupRun(
        dry_run=options.dry_run,
        actor=context.current().actor,
        grace=options.grace,
        limit=options.limit,
        allow_share=options.allow_share,
    )
    try:
        _refuse_standby()
        if not options.dry_run:
            marker.claim_store()
        marker.compare()
        if options.dry_run:
            _preview(_work(run, options, ""))
        else:
            _run_alone(run, options)
    except Stop as stop:
        _stop(run, stop.code, str(stop))
    except ListingIncomplete as error:
        _stop(
            run,
            "listing_incomplete",
            f"The store could not be listed to its end: {_first_line(error)}.",
        )
    except OSError as error:
        _stop(run, "storage_unavailable", f"The store does not answer: {_first_line(error)}.")
    except (DatabaseError, InterfaceError) as error:
        _stop(run, "database_unavailable", f"The database does not answer: {_first_line(error)}.")
    return run


def _run_alone(run: CleanupRun, options: CleanupOptions) -> None:
    """Look and act under the lease, so that no two runs act at once."""
    holder = secrets.token_hex(16)
    if not marker.take_lease(holder):
        run.status = RunStatus.SKIPPED
        return
    try:
        run.save()
        work = _work(run, options, holder)
        _note_raised_limit(work)
        state, seen = scan.continue_scan(work)
        if seen.is_partial:
            run.continued = True
        else:
            scan.judge(work, state, seen)
            run.generation = marker.count_up()
            apply.apply_findings(work, state.scan_id)
            scan.discard_scan(state)
        _finish(work)
    finally:
        _drop_cut_connection()
        marker.release_lease(holder)


def _work(run: CleanupRun, options: CleanupOptions, holder: str) -> CleanupContext:
    store = object_store()
    ages = Ages.at(
        _agreed_time(store),
        grace=options.grace,
        retention=options.retention,
        completed_retention=options.completed_retention,
        trash_retention=options.trash_retention,
    )
    if not reconcile.canary(ages):
        raise Stop(
            "canary",
            "Asked about a file that is live and one that is not, the cleanup gave a wrong answer: "
            "this is a mistake in the product.",
        )
    return CleanupContext(run, options, store, ages, holder, left=options.limit)


def _preview(work: CleanupContext) -> None:
    """Tell what a run would do, in the order in which it would."""
    for kind in BY_ROW:
        for row in reconcile.removable_rows(kind, work.ages)[: work.left].iterator(BATCH):
            _would(work, Finding(kind, row.key, row.size))
    for kind in IN_QUARANTINE:
        queue = reconcile.quarantine_queue(kind, work.ages)
        for trash_item in queue[: work.left].iterator(BATCH):
            _would(work, Finding(kind, trash_item.key, trash_item.size))

    def pause() -> None:
        work.options.progress(seen.objects)
        if not work.has_time():
            raise Stop(
                "out_of_time",
                "Looking through the store takes longer than a run from here may: run "
                "`manage.py cleanup_orphans --dry-run` by hand, which has no such limit.",
            )

    seen, unexpected = ScanProgress(pause), 0
    for finding in scan.everything(work, seen):
        unexpected += finding.kind in UNEXPECTED
        _would(work, finding)
    work.run.objects_seen, work.run.rows_seen = seen.objects, seen.rows
    work.note_counts()
    scan.refuse_implausible(work, seen, unexpected)
    _finish(work)


def _would(work: CleanupContext, finding: Finding) -> None:
    """Tell of a finding, as long as the limit leaves room for it."""
    if finding.kind in LIMITED:
        if not work.left:
            return
        work.left -= 1
    work.record(finding)


def _note_raised_limit(work: CleanupContext) -> None:
    if work.options.allow_share is not None:
        with transaction.atomic():
            record(
                events.CLEANUP_LIMIT_RAISED,
                target=f"cleanup_run:{work.run.pk}",
                share=f"{work.options.allow_share:.0%}",
            )


def _refuse_standby() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            if cursor.fetchone() == (True,):
                raise Stop("database_standby", "The database is a standby, which may lag behind.")


def _agreed_time(store: ObjectStore) -> datetime:
    """Return the database's time; raise Stop if the store's differs too much to compare ages."""
    now = _database_now()
    difference = abs(store.clock() - now)
    if difference > CLOCK_TOLERANCE:
        raise Stop(
            "clocks_differ",
            f"The clocks of store and database differ by {difference}: no age can be trusted.",
        )
    return now


def _database_now() -> datetime:
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def _finish(work: CleanupContext) -> None:
    run = work.run
    run.status = RunStatus.COMPLETED
    run.finished_at = timezone.now()
    work.note_counts()
    _write_down(
        run,
        events.CLEANUP_COMPLETED,
        removed=run.removed,
        quarantined=run.quarantined,
        missing=work.counts[FindingKind.MISSING],
        errors=run.errors,
    )


def _stop(run: CleanupRun, code: str, sentence: str) -> None:
    """Write down why the run stopped, where the database allows it."""
    run.status, run.stop_code, run.stop_sentence = RunStatus.STOPPED, code, sentence
    run.finished_at = timezone.now()
    try:
        _drop_cut_connection()
        _write_down(run, events.CLEANUP_STOPPED, code=code)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the stopped run could not be written down: %s", _first_line(error))


def _write_down(run: CleanupRun, event: EventType, **details: Any) -> None:
    """Save a run that has ended, with its event; a dry run leaves nothing but itself."""
    with transaction.atomic():
        run.save()
        if not run.dry_run:
            record(event, target=f"cleanup_run:{run.pk}", run=run.pk, **details)


def _drop_cut_connection() -> None:
    """Let the next query open a connection, so that lease and reason are not lost with the old one."""
    if not connection.in_atomic_block:
        connection.close()


def _first_line(error: Exception) -> str:
    """Return the part of an error that fits into a sentence."""
    return str(error).partition("\n")[0].rstrip(".")

"""One run of the cleanup: scan everything, then apply the findings only if nothing is wrong.

A run holds a lease, so two runs never remove files at once. Every action checks
again whether its finding still holds. Several scheduled runs share the scan of
a large store: they store the findings, and the last one applies them.
"""

import logging
import secrets
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from audit_app.events import EventType
from audit_app.services import record
from common.context import current
from common.database_errors import describe
from common.garbage import rare_collections
from uploads_app import events, marker
from uploads_app.cleanup import apply, clock, reconcile, removal, scan, stop_codes
from uploads_app.cleanup.findings import (
    BY_ROW,
    IN_TRASH,
    LIMITED,
    UNEXPECTED,
    Ages,
    FindingKind,
    due_trash,
    removable_rows,
)
from uploads_app.cleanup.reconcile import ScanProgress
from uploads_app.cleanup.run_context import BATCH, CleanupContext, CleanupOptions
from uploads_app.marker import Stop
from uploads_app.models import CleanupRun, Finding, RunStatus
from uploads_app.storage.base import ListingIncomplete, object_store

logger = logging.getLogger(__name__)

# Another copy of the database may use the store. It must stop as well.
_SHARED_STORE = ("store_ahead", "database_forked")


@rare_collections()
def cleanup_orphans(options: CleanupOptions) -> CleanupRun:
    """Delete files that are due, move orphans to the trash, and return the run's row.

    A dry run reports exactly what the same run would apply, and writes only its
    CleanupRun. A fault of the deployment raises nothing: the run then has the
    status `stopped`, with a code and a sentence.
    """
    run = CleanupRun(
        dry_run=options.dry_run,
        actor=current().actor,
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
            _preview(_context(run, options, ""))
        else:
            _run_alone(run, options)
    except Stop as stop:
        if stop.code in _SHARED_STORE and not options.dry_run:
            marker.contest()
        _stop(run, stop.code, str(stop))
    except ListingIncomplete as error:
        _stop(
            run,
            "listing_incomplete",
            f"The listing of the store ended early: {_first_line(error)}.",
        )
    except OSError as error:
        _stop(run, "storage_unavailable", f"The store does not answer: {_first_line(error)}.")
    except (DatabaseError, InterfaceError) as error:
        _stop(run, stop_codes.of_database_error(error), describe(error))
    return run


def _run_alone(run: CleanupRun, options: CleanupOptions) -> None:
    """Scan and apply under the lease, so that two runs never apply at once."""
    holder = secrets.token_hex(16)
    if not marker.take_lease(holder):
        run.status = RunStatus.SKIPPED
        return
    try:
        run.save()
        context = _context(run, options, holder)
        _record_allowances(context)
        signed = marker.sign(holder)
        state, seen = scan.continue_scan(context)
        if seen.is_partial:
            run.continued = True
        else:
            scan.judge(context, state, seen)
            run.generation = marker.count_up(signed)
            apply.apply_findings(context, state.scan_id)
            scan.discard_scan(state)
        _finish(context)
    finally:
        _reconnect()
        marker.release_lease(holder)


def _context(run: CleanupRun, options: CleanupOptions, holder: str) -> CleanupContext:
    store = object_store()
    now = clock.agreed_time(store)
    if not options.accept_clock:
        clock.refuse_jump(now)
    ages = Ages.at(
        now,
        grace=options.grace,
        retention=options.retention,
        completed_retention=options.completed_retention,
        trash_retention=options.trash_retention,
    )
    if not reconcile.canary(ages):
        raise Stop(
            "canary",
            "The self-test failed: the cleanup gave a wrong answer about a test file. "
            "This is a mistake in the product.",
        )
    return CleanupContext(run, options, store, ages, holder, left=options.limit)


def _preview(context: CleanupContext) -> None:
    """Report what a run would apply, in the same order."""
    for kind in BY_ROW:
        for row in removable_rows(kind, context.ages).iterator(BATCH):
            if context.left and removal.applies(kind, row):
                _report(context, Finding(kind=kind, key=row.key, size=row.size))
    for kind in IN_TRASH:
        for trash_item in due_trash(kind, context.ages)[: context.left].iterator(BATCH):
            _report(context, Finding(kind=kind, key=trash_item.key, size=trash_item.size))

    def pause() -> None:
        context.options.progress(seen.objects)
        if not context.has_time():
            raise Stop(
                "out_of_time",
                f"The store could not be scanned within {context.options.seconds:.0f} seconds.",
            )

    seen, unexpected = ScanProgress(pause), 0
    for finding in scan.everything(context, seen):
        unexpected += finding.kind in UNEXPECTED
        _report(context, finding)
    context.run.objects_seen, context.run.rows_seen = seen.objects, seen.rows
    context.store_counts()
    scan.refuse_implausible(context, seen, unexpected)
    scan.refuse_mass_removal(context)
    _finish(context)


def _report(context: CleanupContext, finding: Finding) -> None:
    """Record a finding of a dry run, as far as the limit allows."""
    if finding.kind in LIMITED:
        if not context.left:
            return
        context.left -= 1
    context.record(finding)


def _record_allowances(context: CleanupContext) -> None:
    """Record what an operator allowed for this run."""
    share, target = context.options.allow_share, f"cleanup_run:{context.run.pk}"
    with transaction.atomic():
        if share is not None:
            record(events.CLEANUP_LIMIT_RAISED, target=target, share=f"{share:.0%}")
        if context.options.accept_clock:
            record(events.CLOCK_ACCEPTED, target=target)


def _refuse_standby() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            if cursor.fetchone() == (True,):
                raise Stop("database_standby", "The database is a replica, which may lag behind.")


def _finish(context: CleanupContext) -> None:
    run = context.run
    run.status = RunStatus.COMPLETED
    run.finished_at = timezone.now()
    context.store_counts()
    _save(
        run,
        events.CLEANUP_COMPLETED,
        removed=run.removed,
        quarantined=run.quarantined,
        missing=context.counts[FindingKind.MISSING],
        errors=run.errors,
    )


def _stop(run: CleanupRun, code: str, sentence: str) -> None:
    """Save why the run stopped, if the database allows it."""
    run.status, run.stop_code, run.stop_sentence = RunStatus.STOPPED, code, sentence
    run.finished_at = timezone.now()
    try:
        _reconnect()
        _save(run, events.CLEANUP_STOPPED, code=code)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the stopped run could not be saved: %s", _first_line(error))


def _save(run: CleanupRun, event: EventType, **details: Any) -> None:
    """Save a run that has ended, with its event; a dry run has no event."""
    with transaction.atomic():
        run.save()
        if not run.dry_run:
            record(event, target=f"cleanup_run:{run.pk}", run=run.pk, **details)


def _reconnect() -> None:
    """Close the connection, so that releasing the lease opens a new one if it broke."""
    if not connection.in_atomic_block:
        connection.close()


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")

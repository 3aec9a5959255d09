"""The cleanup of orphaned files: one function behind the command and the schedule.

It looks before it acts: the whole survey comes first, and whatever is wrong
with it stops the run before a single removal. It removes what a row says
should be gone; what only the store knows of is reported.
"""

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from audit_app import context
from audit_app.events import EventType
from audit_app.services import record
from sessions_app.models import UserSession
from uploads_app import events, marker, services, survey
from uploads_app.models import CleanupRun, RunStatus, UploadedFile
from uploads_app.storage import ListingIncomplete, ObjectStore, object_store
from uploads_app.survey import REMOVED, UNEXPECTED, Finding, Kind

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 10_000
CLOCK_TOLERANCE = timedelta(minutes=5)
UNEXPECTED_FLOOR = 100
UNEXPECTED_SHARE = 0.05
SAMPLE_SIZE = 200
_RENEW_EVERY = 100


class Stop(Exception):
    """Something is wrong, so nothing may be removed: `code` for machines, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True)
class Options:
    """How a run goes: objects younger than `grace` stay, at most `limit` removals, in at most `seconds`."""

    grace: timedelta
    limit: int = DEFAULT_LIMIT
    dry_run: bool = False
    seconds: float = float("inf")


def cleanup_orphans(options: Options) -> tuple[CleanupRun, list[Finding]]:
    """Remove what should be gone; return the run's record and what it found.

    A dry run finds exactly what the same run without it would act on, and
    leaves nothing behind but its CleanupRun. What a deployment can have wrong
    raises nothing: the run then says `stopped`, with a code and a sentence.
    """
    run = CleanupRun(
        dry_run=options.dry_run,
        actor=context.current().actor,
        grace=options.grace,
        limit=options.limit,
    )
    findings: list[Finding] = []
    try:
        _refuse_standby()
        if not options.dry_run:
            marker.claim_store()
        marker.compare()
        deadline = time.monotonic() + options.seconds
        if options.dry_run:
            _look(run, options, findings, lambda: _refuse_overtime(deadline))
            _finish(run, findings)
        else:
            _run_alone(run, options, findings, deadline)
    except Stop as stop:
        _stop(run, stop.code, str(stop))
    except marker.MarkerDiffers as differs:
        _stop(run, differs.code, str(differs))
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
    return run, findings


def _run_alone(run: CleanupRun, options: Options, findings: list[Finding], deadline: float) -> None:
    """Look and act under the lease, so that no two runs act at once."""
    holder = secrets.token_hex(16)
    if not marker.take_lease(holder):
        run.status = RunStatus.SKIPPED
        return
    try:
        run.save()
        _look(run, options, findings, lambda: _go_on(holder, deadline))
        run.generation = marker.count_up()
        _act(run, findings, holder, deadline)
        _finish(run, findings)
    finally:
        _drop_cut_connection()
        marker.release_lease(holder)


def _look(
    run: CleanupRun, options: Options, findings: list[Finding], pause: Callable[[], None]
) -> None:
    """Find everything, or raise Stop; nothing is changed."""
    store = object_store()
    now = _agreed_time(store)
    seen = survey.Seen(pause)
    # Whatever age is asked for, an upload under way keeps its file while its lease can be good.
    temporary_before = now - max(options.grace, settings.UPLOAD_LEASE)
    everything = chain(
        survey.removable_rows(options.limit),
        survey.reconcile(store, now - options.grace, temporary_before, seen),
        survey.temporary_files(store, temporary_before),
    )
    findings.extend(_within(options.limit, everything))
    run.objects_seen, run.rows_seen = seen.objects, seen.rows
    if seen.objects and not UserSession.objects.exists():
        raise Stop(
            "no_sessions", "There are files but no sessions at all: is it the right database?"
        )
    unexpected = sum(finding.kind in UNEXPECTED for finding in findings)
    allowed = max(UNEXPECTED_FLOOR, UNEXPECTED_SHARE * max(seen.objects, seen.rows))
    if unexpected > allowed:
        raise Stop(
            "too_many_unexpected",
            f"{unexpected} files are on one side only, and at most {allowed:.0f} are plausible: "
            "is all of the store there, and is it the right database?",
        )


def _within(limit: int, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield all that is only noted or told, and the first `limit` removals."""
    for finding in findings:
        if finding.kind in REMOVED:
            if not limit:
                continue
            limit -= 1
        yield finding


def _act(run: CleanupRun, findings: list[Finding], holder: str, deadline: float) -> None:
    """Act on each finding by itself; what fails is counted and left to the next run."""
    for number, finding in enumerate(findings):
        if time.monotonic() > deadline:
            return
        if number % _RENEW_EVERY == 0:
            _keep_lease(holder)
        try:
            acted = _apply(finding)
        except OSError:
            logger.exception("cleanup could not finish %s", finding.key)
            run.errors += 1
        else:
            if acted and finding.kind in REMOVED:
                run.removed += 1
                run.bytes_removed += finding.size


def _apply(finding: Finding) -> bool:
    """Do what one finding asks for, if it still holds."""
    upload = finding.upload
    match finding.kind, upload:
        case Kind.LAPSED, UploadedFile():
            lapsed = services.lapse_upload(upload=upload, reason="lease")
            if lapsed:
                services.remove_bytes(upload)
            return lapsed
        case Kind.UNFINISHED, UploadedFile():
            return services.finish_deletion(upload=upload)
        case Kind.PAST_RETENTION, UploadedFile():
            due = UploadedFile.objects.past_retention()
            return services.begin_deletion(
                upload=upload, among=due, reason="retention"
            ) and services.finish_deletion(upload=upload)
        case Kind.LATE, UploadedFile():
            services.purge_object(
                key=finding.key, session_uuid=upload.session_id, reason=f"file_{upload.status}"
            )
            return True
        case Kind.TEMPORARY, _:
            object_store().delete_temporary(finding.key)
            return True
        case Kind.MISSING, UploadedFile():
            return services.mark_missing(upload=upload)
        case Kind.FOUND, UploadedFile():
            return services.mark_found(upload=upload)
        case _:
            return False


def _go_on(holder: str, deadline: float) -> None:
    """Keep the lease while the store is looked through, as long as there is time."""
    _refuse_overtime(deadline)
    _keep_lease(holder)


def _keep_lease(holder: str) -> None:
    if not marker.renew_lease(holder):
        raise Stop("lease_lost", "Another run took over, because this one was too slow.")


def _refuse_overtime(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise Stop(
            "out_of_time",
            "Looking through the store takes longer than a scheduled run may: run "
            "`manage.py cleanup_orphans` by hand, which has no such limit.",
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


def _finish(run: CleanupRun, findings: list[Finding]) -> None:
    counts = Counter(finding.kind for finding in findings)
    run.status = RunStatus.COMPLETED
    run.finished_at = timezone.now()
    run.findings = {kind.value: counts[kind] for kind in Kind if counts[kind]}
    run.sample = [
        {"kind": finding.kind.value, "key": finding.label, "size": finding.size}
        for finding in findings[:SAMPLE_SIZE]
    ]
    _write_down(
        run,
        events.CLEANUP_COMPLETED,
        removed=run.removed,
        missing=counts[Kind.MISSING],
        orphans=counts[Kind.ORPHAN],
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

"""One run of the cleanup: look at everything first, act only if nothing is wrong.

Most of what follows is reasons not to act. A run works under a lease, so that
no two remove at once, and every action asks the database again whether it
still holds. A store too large for one scheduled run is looked through by
several; what they find is written down, and nothing is concluded before the
last page.
"""

import logging
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit_app import context
from audit_app.events import EventType
from audit_app.services import record
from sessions_app.models import UserSession
from uploads_app import events, marker, quarantine, removal, services, survey
from uploads_app.models import (
    KEY_LENGTH,
    WITH_OBJECT,
    Anomaly,
    CleanupRun,
    QuarantinedObject,
    RunStatus,
    StoreState,
    UploadedFile,
)
from uploads_app.removal import Outcome
from uploads_app.storage import ListingIncomplete, ObjectStore, StoredObject, object_store
from uploads_app.survey import LIMITED, REMOVED, TOLD, UNEXPECTED, Ages, Finding, Kind, Seen

logger = logging.getLogger(__name__)

DEFAULT_LIMIT = 10_000
CLOCK_TOLERANCE = timedelta(minutes=5)
UNEXPECTED_FLOOR = 100
UNEXPECTED_SHARE = 0.05
SAMPLE_SIZE = 200
BATCH = 500
# How much of a scheduled run may go into looking, so that some is left to act.
LOOK_SHARE = 0.5
# What a run does by its rows alone, in this order.
_BY_ROW = (Kind.LAPSED, Kind.UNFINISHED, Kind.PAST_RETENTION)
_IN_QUARANTINE = (Kind.CUT_OFF, Kind.PAST_QUARANTINE)

T = TypeVar("T", UploadedFile, QuarantinedObject)


class Stop(Exception):
    """Something is wrong, so nothing may be removed: `code` for machines, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


def _ignore(*_: Any) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Options:
    """How a run goes.

    Objects younger than `grace` stay; at most `limit` removals and moves; a run
    that may take only `seconds` leaves the rest to the next. `allow_share`
    lets more files than is plausible be on one side only (1.0 is all of them).
    The retentions are the settings' unless given. `told` is called with each
    finding that was acted on (in a dry run: would be) or is only told, in one
    order for both; `progress` with how many objects have been seen.
    """

    grace: timedelta
    limit: int = DEFAULT_LIMIT
    dry_run: bool = False
    seconds: float = float("inf")
    allow_share: float | None = None
    retention: timedelta | None = None
    completed_retention: timedelta | None = None
    quarantine_retention: timedelta | None = None
    told: Callable[[Finding], None] = _ignore
    progress: Callable[[int], None] = _ignore


@dataclass
class _Work:
    """What the steps of one run share."""

    run: CleanupRun
    options: Options
    store: ObjectStore
    ages: Ages
    holder: str
    began: float = field(default_factory=time.monotonic)
    counts: Counter[Kind] = field(default_factory=Counter)
    left: int = 0

    def tell(self, finding: Finding) -> None:
        """Tell of a finding, and keep the first ones for the run's record."""
        self.counts[finding.kind] += 1
        if len(self.run.sample) < SAMPLE_SIZE:
            self.run.sample.append(
                {"kind": finding.kind.value, "key": finding.label, "size": finding.size}
            )
        self.options.told(finding)

    def has_time(self, share: float = 1.0) -> bool:
        return time.monotonic() - self.began < self.options.seconds * share

    def keep_lease(self) -> None:
        if self.holder and not marker.renew_lease(self.holder):
            raise Stop("lease_lost", "Another run took over, because this one was too slow.")


def cleanup_orphans(options: Options) -> CleanupRun:
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
    return run


def _run_alone(run: CleanupRun, options: Options) -> None:
    """Look and act under the lease, so that no two runs act at once."""
    holder = secrets.token_hex(16)
    if not marker.take_lease(holder):
        run.status = RunStatus.SKIPPED
        return
    try:
        run.save()
        work = _work(run, options, holder)
        _note_raised_limit(work)
        state, seen = _look_on(work)
        if seen.is_partial:
            run.continued = True
        else:
            _judge(work, state, seen)
            run.generation = marker.count_up()
            _act(work, state.look_id)
            _forget_look(state)
        _finish(work)
    finally:
        _drop_cut_connection()
        marker.release_lease(holder)


def _work(run: CleanupRun, options: Options, holder: str) -> _Work:
    store = object_store()
    ages = Ages.at(
        _agreed_time(store),
        grace=options.grace,
        retention=options.retention,
        completed_retention=options.completed_retention,
        quarantine_retention=options.quarantine_retention,
    )
    if not survey.canary(ages):
        raise Stop(
            "canary",
            "Asked about a file that is live and one that is not, the cleanup gave a wrong answer: "
            "this is a mistake in the product.",
        )
    return _Work(run, options, store, ages, holder, left=options.limit)


def _preview(work: _Work) -> None:
    """Tell what a run would do, in the order in which it would."""
    for kind in _BY_ROW:
        for row in survey.removable_rows(kind, work.ages)[: work.left].iterator(BATCH):
            _would(work, Finding(kind, row.key, row.size, row.pk))
    for kind in _IN_QUARANTINE:
        queue = survey.quarantine_queue(kind, work.ages)
        for stray in queue[: work.left].iterator(BATCH):
            _would(work, Finding(kind, stray.key, stray.size))

    def pause() -> None:
        work.options.progress(seen.objects)
        if not work.has_time():
            raise Stop(
                "out_of_time",
                "Looking through the store takes longer than a run from here may: run "
                "`manage.py cleanup_orphans --dry-run` by hand, which has no such limit.",
            )

    seen, unexpected = Seen(pause), 0
    for finding in _everything(work, seen):
        unexpected += finding.kind in UNEXPECTED
        _would(work, finding)
    work.run.objects_seen, work.run.rows_seen = seen.objects, seen.rows
    _finish_counts(work)
    _refuse_implausible(work, seen, unexpected)
    _finish(work)


def _would(work: _Work, finding: Finding) -> None:
    """Tell of a finding, as long as the limit leaves room for it."""
    if finding.kind in LIMITED:
        if not work.left:
            return
        work.left -= 1
    work.tell(finding)


def _everything(work: _Work, seen: Seen) -> Iterator[Finding]:
    """Yield all that a look finds; what has a key that cannot be written down is only told."""
    for finding in chain(survey.look(work.store, work.ages, seen), _temporary_files(work, seen)):
        key = finding.label[:KEY_LENGTH]
        yield finding if key == finding.key else Finding(Kind.UNKNOWN, key, finding.size)


def _temporary_files(work: _Work, seen: Seen) -> Iterator[Finding]:
    if not seen.is_partial:
        for name in work.store.temporary_files(work.ages.temporary_before):
            yield Finding(Kind.TEMPORARY, name)


def _look_on(work: _Work) -> tuple[StoreState, Seen]:
    """Look through the whole store, or as far as a scheduled run may, from where the last one ended.

    What disagrees is written down, and nothing else is changed.
    """
    state = StoreState.objects.get()
    is_scheduled = work.options.seconds != float("inf")
    work.run.continued = bool(state.look_after and is_scheduled)
    if not work.run.continued:
        state.look_id, state.look_after = uuid.uuid4(), ""
        state.look_objects = state.look_rows = 0
        Anomaly.objects.all().delete()

    def pause() -> None:
        work.keep_lease()
        work.options.progress(seen.objects)

    def enough() -> bool:
        return not work.has_time(LOOK_SHARE)

    seen = Seen(pause, enough, state.look_objects, state.look_rows, state.look_after)
    found: list[Anomaly] = []
    for finding in _everything(work, seen):
        found.append(_anomaly(state, finding))
        if len(found) == BATCH:
            _write(found)
            found = []
    _write(found)
    # A look that is over is not gone on from: what a crash leaves of acting on it, a fresh one finds.
    state.look_after = seen.after if seen.is_partial else ""
    state.look_objects, state.look_rows = seen.objects, seen.rows
    state.save(update_fields=["look_id", "look_after", "look_objects", "look_rows"])
    work.run.objects_seen, work.run.rows_seen = seen.objects, seen.rows
    return state, seen


def _judge(work: _Work, state: StoreState, seen: Seen) -> None:
    """Raise Stop if what was seen is not plausible, after telling what that was."""
    anomalies = Anomaly.objects.filter(look_id=state.look_id)
    try:
        _refuse_implausible(work, seen, anomalies.filter(kind__in=UNEXPECTED).count())
    except Stop:
        for anomaly in anomalies.order_by("id").iterator(BATCH):
            work.tell(_finding(anomaly))
        _finish_counts(work)
        _forget_look(state)
        raise


def _refuse_implausible(work: _Work, seen: Seen, unexpected: int) -> None:
    if seen.objects and not UserSession.objects.exists():
        raise Stop(
            "no_sessions", "There are files but no sessions at all: is it the right database?"
        )
    share = work.options.allow_share
    allowed = max(
        UNEXPECTED_FLOOR,
        (UNEXPECTED_SHARE if share is None else share) * max(seen.objects, seen.rows),
    )
    if unexpected > allowed:
        raise Stop(
            "too_many_unexpected",
            f"{unexpected} files are on one side only, and at most {allowed:.0f} are plausible: "
            "is all of the store there, and is it the right database?",
        )


def _anomaly(state: StoreState, finding: Finding) -> Anomaly:
    return Anomaly(
        look_id=state.look_id,
        kind=finding.kind,
        key=finding.key,
        size=finding.size,
        upload_id=finding.upload_id,
    )


def _finding(anomaly: Anomaly) -> Finding:
    return Finding(Kind(anomaly.kind), anomaly.key, anomaly.size, anomaly.upload_id)


def _write(found: list[Anomaly]) -> None:
    # A look that a crash cut off finds some of them again.
    Anomaly.objects.bulk_create(found, ignore_conflicts=True)


def _forget_look(state: StoreState) -> None:
    Anomaly.objects.filter(look_id=state.look_id).delete()


def _note_raised_limit(work: _Work) -> None:
    if work.options.allow_share is not None:
        with transaction.atomic():
            record(
                events.CLEANUP_LIMIT_RAISED,
                target=f"cleanup_run:{work.run.pk}",
                share=f"{work.options.allow_share:.0%}",
            )


# Acting -----------------------------------------------------------------------


def _act(work: _Work, look_id: uuid.UUID) -> None:
    """Act on what was found, as long as there is time and the limit allows.

    A store that fails as a whole ends it: the next run goes on.
    """
    try:
        for kind in _BY_ROW:
            _remove_rows(work, kind)
        for kind in _IN_QUARANTINE:
            _work_off_quarantine(work, kind)
        _apply_anomalies(work, look_id)
        services.note_erasures()
    except OSError:
        logger.exception("the store failed, so the rest is left to the next run")
        work.run.errors += 1


def _remove_rows(work: _Work, kind: Kind) -> None:
    queue = survey.removable_rows(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.after(last.session_id, last.id)):
        outcome = removal.remove(kind, page, survey.removable_rows(kind, work.ages))
        _count(work, kind, page, outcome)


def _work_off_quarantine(work: _Work, kind: Kind) -> None:
    queue = survey.quarantine_queue(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.filter(id__gt=last.pk)):
        work_off = quarantine.finish if kind == Kind.CUT_OFF else quarantine.purge
        _count(work, kind, page, work_off(page))


def _pages(work: _Work, queue: QuerySet[T], after: Callable[[T], QuerySet[T]]) -> Iterator[list[T]]:
    """Yield a queue in pages, each row once, for as long as the run may go on."""
    rest = queue
    while work.left > 0 and work.has_time():
        work.keep_lease()
        page = list(rest[: min(BATCH, work.left)])
        if not page:
            return
        yield page
        rest = after(page[-1])


def _apply_anomalies(work: _Work, look_id: uuid.UUID) -> None:
    queue = Anomaly.objects.filter(look_id=look_id).order_by("id")
    last = 0
    while work.has_time() and (page := list(queue.filter(id__gt=last)[:BATCH])):
        work.keep_lease()
        last = page[-1].pk
        taken = []
        for finding in map(_finding, page):
            if finding.kind in LIMITED:
                if work.left <= 0:
                    continue
                work.left -= 1
            taken.append(finding)
        _apply(work, taken)


def _apply(work: _Work, findings: list[Finding]) -> None:
    """Act on a page of disagreements, each kind at once, and tell of them in their order."""
    done: set[str] = {finding.key for finding in findings if finding.kind in TOLD}
    for kind, apply in _ACTIONS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            outcome = apply(work, of_kind)
            done |= outcome.done.keys()
            work.run.errors += outcome.failed
            if kind in REMOVED:
                work.run.removed += len(outcome.done)
                work.run.bytes_removed += sum(outcome.done.values())
            if kind == Kind.ORPHAN:
                work.run.quarantined += len(outcome.done)
    for finding in findings:
        if finding.key in done:
            work.tell(finding)


def _purge_late(work: _Work, findings: list[Finding]) -> Outcome:
    total = Outcome()
    uploads = _uploads_of(findings)
    for status in {upload.status for upload in uploads.values()} - set(WITH_OBJECT):
        closed = [found for found in findings if uploads[found.key].status == status]
        still, failed = _still_old(work, closed)
        outcome = quarantine.purge_late(still, f"file_{status}")
        total.done |= outcome.done
        total.failed += outcome.failed + failed
    return total


def _uploads_of(findings: list[Finding]) -> dict[str, UploadedFile]:
    uploads = UploadedFile.objects.filter(key__in=[finding.key for finding in findings])
    return {upload.key: upload for upload in uploads}


def _put_aside(work: _Work, findings: list[Finding]) -> Outcome:
    still, failed = _still_old(work, findings)
    outcome = quarantine.put_aside(still)
    outcome.failed += failed
    return outcome


def _still_old(work: _Work, findings: list[Finding]) -> tuple[list[StoredObject], int]:
    """Return those objects that are there and old even now, and how many could not be asked for."""
    still, failed = [], 0
    for finding in findings:
        try:
            stored = work.store.describe(finding.key)
        except OSError:
            logger.exception("storage did not tell of %s", finding.key)
            failed += 1
        else:
            if stored and stored.modified < work.ages.before:
                still.append(stored)
    return still, failed


def _delete_temporary(work: _Work, findings: list[Finding]) -> Outcome:
    outcome = Outcome()
    for finding in findings:
        try:
            work.store.delete_temporary(finding.key)
        except OSError:
            logger.exception("storage did not delete %s", finding.key)
            outcome.failed += 1
        else:
            outcome.done[finding.key] = finding.size
    return outcome


def _mark(work: _Work, findings: list[Finding]) -> Outcome:
    """Note on their rows that objects are gone or are back, if that still holds."""
    outcome = Outcome()
    uploads = _uploads_of(findings)
    for finding in findings:
        try:
            is_there = work.store.describe(finding.key) is not None
        except OSError:
            logger.exception("storage did not tell of %s", finding.key)
            outcome.failed += 1
            continue
        mark = services.mark_found if finding.kind == Kind.FOUND else services.mark_missing
        if is_there == (finding.kind == Kind.FOUND) and mark(upload=uploads[finding.key]):
            outcome.done[finding.key] = finding.size
    return outcome


_ACTIONS: dict[Kind, Callable[[_Work, list[Finding]], Outcome]] = {
    Kind.LATE: _purge_late,
    Kind.TEMPORARY: _delete_temporary,
    Kind.ORPHAN: _put_aside,
    Kind.MISSING: _mark,
    Kind.FOUND: _mark,
}


def _count(work: _Work, kind: Kind, page: Sequence[T], outcome: Outcome) -> None:
    """Count what a page of rows has come to, and tell of them in their order."""
    work.left -= len(outcome.done) + outcome.failed
    work.run.errors += outcome.failed
    if kind in REMOVED:
        work.run.removed += len(outcome.done)
        work.run.bytes_removed += sum(outcome.done.values())
    if kind == Kind.PAST_QUARANTINE:
        work.run.purged += len(outcome.done)
    for row in page:
        if row.key in outcome.done:
            work.tell(Finding(kind, row.key, row.size))


# What a run is told by -------------------------------------------------------


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


def _finish(work: _Work) -> None:
    run = work.run
    run.status = RunStatus.COMPLETED
    run.finished_at = timezone.now()
    _finish_counts(work)
    _write_down(
        run,
        events.CLEANUP_COMPLETED,
        removed=run.removed,
        quarantined=run.quarantined,
        missing=work.counts[Kind.MISSING],
        errors=run.errors,
    )


def _finish_counts(work: _Work) -> None:
    work.run.findings = {kind.value: work.counts[kind] for kind in Kind if work.counts[kind]}


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

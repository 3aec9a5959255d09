"""Doing what a look has found: by rows, in quarantine, and where store and rows disagree.

Every action asks the database, and where it matters the store, whether it still holds.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db.models import QuerySet

from uploads_app import services
from uploads_app.cleanup import reconcile, removal, trash
from uploads_app.cleanup.reconcile import LIMITED, TOLD, Finding, Kind
from uploads_app.cleanup.removal import Outcome
from uploads_app.cleanup.scan import finding_of
from uploads_app.cleanup.work import BATCH, BY_ROW, IN_QUARANTINE, Work
from uploads_app.models import WITH_OBJECT, Anomaly, QuarantinedObject, UploadedFile
from uploads_app.storage.base import StoredObject

logger = logging.getLogger(__name__)

T = TypeVar("T", UploadedFile, QuarantinedObject)


def act(work: Work, look_id: uuid.UUID) -> None:
    """Act on what was found, as long as there is time and the limit allows.

    A store that fails as a whole ends it: the next run goes on.
    """
    try:
        for kind in BY_ROW:
            _remove_rows(work, kind)
        for kind in IN_QUARANTINE:
            _work_off_quarantine(work, kind)
        _apply_anomalies(work, look_id)
        services.note_erasures()
    except OSError:
        logger.exception("the store failed, so the rest is left to the next run")
        work.run.errors += 1


def _remove_rows(work: Work, kind: Kind) -> None:
    queue = reconcile.removable_rows(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.after(last.session_id, last.id)):
        outcome = removal.remove(kind, page, reconcile.removable_rows(kind, work.ages))
        _count(work, kind, page, outcome)


def _work_off_quarantine(work: Work, kind: Kind) -> None:
    queue = reconcile.quarantine_queue(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.filter(id__gt=last.pk)):
        work_off = trash.finish if kind == Kind.CUT_OFF else trash.purge
        _count(work, kind, page, work_off(page))


def _pages(work: Work, queue: QuerySet[T], after: Callable[[T], QuerySet[T]]) -> Iterator[list[T]]:
    """Yield a queue in pages, each row once, for as long as the run may go on."""
    rest = queue
    while work.left > 0 and work.has_time():
        work.keep_lease()
        page = list(rest[: min(BATCH, work.left)])
        if not page:
            return
        yield page
        rest = after(page[-1])


def _apply_anomalies(work: Work, look_id: uuid.UUID) -> None:
    queue = Anomaly.objects.filter(look_id=look_id).order_by("id")
    last = 0
    while work.has_time() and (page := list(queue.filter(id__gt=last)[:BATCH])):
        work.keep_lease()
        last = page[-1].pk
        taken = []
        for finding in map(finding_of, page):
            if finding.kind in LIMITED:
                if work.left <= 0:
                    continue
                work.left -= 1
            taken.append(finding)
        _apply(work, taken)


def _apply(work: Work, findings: list[Finding]) -> None:
    """Act on a page of disagreements, each kind at once, and tell of them in their order."""
    done: set[str] = {finding.key for finding in findings if finding.kind in TOLD}
    for kind, apply in _ACTIONS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            outcome = apply(work, of_kind)
            done |= outcome.done.keys()
            work.count(kind, outcome)
    for finding in findings:
        if finding.key in done:
            work.tell(finding)


def _purge_late(work: Work, findings: list[Finding]) -> Outcome:
    total = Outcome()
    uploads = _uploads_of(findings)
    for status in {upload.status for upload in uploads.values()} - set(WITH_OBJECT):
        closed = [found for found in findings if uploads[found.key].status == status]
        still, failed = _still_old(work, closed)
        outcome = trash.purge_late(still, f"file_{status}")
        total.done |= outcome.done
        total.failed += outcome.failed + failed
    return total


def _uploads_of(findings: list[Finding]) -> dict[str, UploadedFile]:
    uploads = UploadedFile.objects.filter(key__in=[finding.key for finding in findings])
    return {upload.key: upload for upload in uploads}


def _put_aside(work: Work, findings: list[Finding]) -> Outcome:
    still, failed = _still_old(work, findings)
    outcome = trash.put_aside(still)
    outcome.failed += failed
    return outcome


def _still_old(work: Work, findings: list[Finding]) -> tuple[list[StoredObject], int]:
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


def _delete_temporary(work: Work, findings: list[Finding]) -> Outcome:
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


def _mark(work: Work, findings: list[Finding]) -> Outcome:
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


_ACTIONS: dict[Kind, Callable[[Work, list[Finding]], Outcome]] = {
    Kind.LATE: _purge_late,
    Kind.TEMPORARY: _delete_temporary,
    Kind.ORPHAN: _put_aside,
    Kind.MISSING: _mark,
    Kind.FOUND: _mark,
}


def _count(work: Work, kind: Kind, page: Sequence[T], outcome: Outcome) -> None:
    """Count what a page of rows has come to, and tell of them in their order."""
    work.left -= len(outcome.done) + outcome.failed
    work.count(kind, outcome)
    for row in page:
        if row.key in outcome.done:
            work.tell(Finding(kind, row.key, row.size))

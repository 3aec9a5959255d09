"""Doing what a look has found: by rows, in quarantine, and where store and rows disagree.

Every action asks the database, and where it matters the store, whether it still holds.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db.models import QuerySet

from uploads_app.cleanup import reconcile, removal, trash
from uploads_app.cleanup.reconcile import LIMITED, REPORTED, Finding, FindingKind
from uploads_app.cleanup.removal import RemovalResult
from uploads_app.cleanup.scan import finding_of
from uploads_app.cleanup.work import BATCH, BY_ROW, IN_QUARANTINE, CleanupContext
from uploads_app.models import WITH_OBJECT, Mismatch, QuarantinedObject, UploadedFile
from uploads_app.services.erasure import note_erasures
from uploads_app.services.recovery import mark_found, mark_missing
from uploads_app.storage.base import StoredObject

logger = logging.getLogger(__name__)

T = TypeVar("T", UploadedFile, QuarantinedObject)


def apply_findings(work: CleanupContext, scan_id: uuid.UUID) -> None:
    """Act on what was found, as long as there is time and the limit allows.

    A store that fails as a whole ends it: the next run goes on.
    """
    try:
        for kind in BY_ROW:
            _remove_rows(work, kind)
        for kind in IN_QUARANTINE:
            _work_off_quarantine(work, kind)
        _apply_mismatches(work, scan_id)
        note_erasures()
    except OSError:
        logger.exception("the store failed, so the rest is left to the next run")
        work.run.errors += 1


def _remove_rows(work: CleanupContext, kind: FindingKind) -> None:
    queue = reconcile.removable_rows(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.after(last.session_id, last.id)):
        outcome = removal.remove(kind, page, reconcile.removable_rows(kind, work.ages))
        _count(work, kind, page, outcome)


def _work_off_quarantine(work: CleanupContext, kind: FindingKind) -> None:
    queue = reconcile.quarantine_queue(kind, work.ages)
    for page in _pages(work, queue, lambda last: queue.filter(id__gt=last.pk)):
        work_off = trash.finish if kind == FindingKind.CUT_OFF else trash.purge
        _count(work, kind, page, work_off(page))


def _pages(
    work: CleanupContext, queue: QuerySet[T], after: Callable[[T], QuerySet[T]]
) -> Iterator[list[T]]:
    """Yield a queue in pages, each row once, for as long as the run may go on."""
    rest = queue
    while work.left > 0 and work.has_time():
        work.keep_lease()
        page = list(rest[: min(BATCH, work.left)])
        if not page:
            return
        yield page
        rest = after(page[-1])


def _apply_mismatches(work: CleanupContext, scan_id: uuid.UUID) -> None:
    queue = Mismatch.objects.filter(scan_id=scan_id).order_by("id")
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


def _apply(work: CleanupContext, findings: list[Finding]) -> None:
    """Act on a page of disagreements, each kind at once, and tell of them in their order."""
    done: set[str] = {finding.key for finding in findings if finding.kind in REPORTED}
    for kind, apply in _ACTIONS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            outcome = apply(work, of_kind)
            done |= outcome.done.keys()
            work.count(kind, outcome)
    for finding in findings:
        if finding.key in done:
            work.record(finding)


def _purge_late(work: CleanupContext, findings: list[Finding]) -> RemovalResult:
    total = RemovalResult()
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


def _move_to_trash(work: CleanupContext, findings: list[Finding]) -> RemovalResult:
    still, failed = _still_old(work, findings)
    outcome = trash.move_to_trash(still)
    outcome.failed += failed
    return outcome


def _still_old(work: CleanupContext, findings: list[Finding]) -> tuple[list[StoredObject], int]:
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


def _delete_temporary(work: CleanupContext, findings: list[Finding]) -> RemovalResult:
    outcome = RemovalResult()
    for finding in findings:
        try:
            work.store.delete_temporary(finding.key)
        except OSError:
            logger.exception("storage did not delete %s", finding.key)
            outcome.failed += 1
        else:
            outcome.done[finding.key] = finding.size
    return outcome


def _mark(work: CleanupContext, findings: list[Finding]) -> RemovalResult:
    """Note on their rows that objects are gone or are back, if that still holds."""
    outcome = RemovalResult()
    uploads = _uploads_of(findings)
    for finding in findings:
        try:
            is_there = work.store.describe(finding.key) is not None
        except OSError:
            logger.exception("storage did not tell of %s", finding.key)
            outcome.failed += 1
            continue
        mark = mark_found if finding.kind == FindingKind.FOUND else mark_missing
        if is_there == (finding.kind == FindingKind.FOUND) and mark(upload=uploads[finding.key]):
            outcome.done[finding.key] = finding.size
    return outcome


_ACTIONS: dict[FindingKind, Callable[[CleanupContext, list[Finding]], RemovalResult]] = {
    FindingKind.LATE: _purge_late,
    FindingKind.TEMPORARY: _delete_temporary,
    FindingKind.ORPHAN: _move_to_trash,
    FindingKind.MISSING: _mark,
    FindingKind.FOUND: _mark,
}


def _count(
    work: CleanupContext, kind: FindingKind, page: Sequence[T], outcome: RemovalResult
) -> None:
    """Count what a page of rows has come to, and tell of them in their order."""
    work.left -= len(outcome.done) + outcome.failed
    work.count(kind, outcome)
    for row in page:
        if row.key in outcome.done:
            work.record(Finding(kind, row.key, row.size))

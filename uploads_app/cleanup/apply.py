"""Applies findings: by rows, by trash entries, and where store and rows differ.

Every action checks with the database, and where it matters with the store,
whether the finding still holds.
"""

import logging
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from django.db.models import QuerySet

from uploads_app.cleanup import removal, trash
from uploads_app.cleanup.batches import each_alone_if_needed
from uploads_app.cleanup.findings import (
    BY_ROW,
    IN_TRASH,
    LIMITED,
    REPORTED,
    FindingKind,
    due_trash,
    removable_rows,
)
from uploads_app.cleanup.removal import RemovalResult
from uploads_app.cleanup.run_context import BATCH, CleanupContext
from uploads_app.cleanup.scan import is_awaited
from uploads_app.models import Finding, QuarantinedObject, UploadedFile
from uploads_app.services.erasure import note_erasures
from uploads_app.services.recovery import mark_found, mark_missing
from uploads_app.storage.base import ObjectStore, StoredObject
from uploads_app.storage.keys import key_in_trash, quarantine_key

logger = logging.getLogger(__name__)

# The columns of a page of rows. The services read whole rows again, under their locks.
_READ = ("session", "key", "size", "sha256", "direct", "restored_from")
# Rows read at once: the database looks through every ended session to find the next ones.
QUEUE = 2000
T = TypeVar("T", UploadedFile, QuarantinedObject)


def apply_findings(context: CleanupContext, scan_id: uuid.UUID) -> None:
    """Apply the findings of a scan, as long as time and limit allow.

    If the whole store fails, this ends and the next run continues.
    """
    try:
        for kind in BY_ROW:
            _remove_rows(context, kind)
        for kind in IN_TRASH:
            _process_trash(context, kind)
        _apply_scan(context, scan_id)
        note_erasures()
    except OSError:
        logger.exception("the store failed; the next run continues")
        context.run.errors += 1


def _remove_rows(context: CleanupContext, kind: FindingKind) -> None:
    queue = removable_rows(kind, context.ages).only(*_READ)
    for page in _pages(context, queue, lambda last: queue.after(last.session_id, last.id)):
        due = removable_rows(kind, context.ages)
        confirmed, failed = _confirmed(context, kind, page)
        outcome = each_alone_if_needed(partial(removal.remove, kind, due=due), confirmed)
        outcome.failed += failed
        _count(context, kind, page, outcome)


def _confirmed(
    context: CleanupContext, kind: FindingKind, page: list[UploadedFile]
) -> tuple[list[UploadedFile], int]:
    """Return the rows that the store confirms, and how many it could not confirm."""
    confirmed, failed = [], 0
    for upload in page:
        try:
            if removal.applies(kind, upload):
                confirmed.append(upload)
        except OSError:
            logger.exception("storage could not describe %s", upload.key)
            failed += 1
            context.store.clock()  # raises if the whole store does not answer
    return confirmed, failed


def _process_trash(context: CleanupContext, kind: FindingKind) -> None:
    queue = due_trash(kind, context.ages)
    process = trash.finish if kind == FindingKind.CUT_OFF else trash.purge
    for page in _pages(context, queue, lambda last: queue.filter(id__gt=last.pk)):
        _count(context, kind, page, each_alone_if_needed(process, page))


def _pages(
    context: CleanupContext, queue: QuerySet[T], after: Callable[[T], QuerySet[T]]
) -> Iterator[list[T]]:
    """Yield a queue in pages, each row once, as long as time and limit allow."""
    rows: list[T] = []
    rest = queue
    while context.left > 0 and context.has_time():
        context.keep_lease()
        if not rows:
            rows = list(rest[: min(QUEUE, context.left)])
            if not rows:
                return
            rest = after(rows[-1])
        number = min(BATCH, context.left)
        yield rows[:number]
        rows = rows[number:]


def _apply_scan(context: CleanupContext, scan_id: uuid.UUID) -> None:
    queue = Finding.objects.filter(scan_id=scan_id).order_by("id")
    last = 0
    while context.has_time() and (page := list(queue.filter(id__gt=last)[:BATCH])):
        context.keep_lease()
        last = page[-1].pk
        within_limit = []
        for finding in page:
            if finding.kind in LIMITED:
                if context.left <= 0:
                    continue
                context.left -= 1
            within_limit.append(finding)
        _apply(context, within_limit)


def _apply(context: CleanupContext, findings: list[Finding]) -> None:
    """Apply a page of findings, one kind after the other, and report them in their order."""
    done: set[str] = {finding.key for finding in findings if finding.kind in REPORTED}
    for kind, apply in _ACTIONS.items():
        of_kind = [finding for finding in findings if finding.kind == kind]
        if of_kind:
            outcome = apply(context, of_kind)
            done |= outcome.done.keys()
            context.count(kind, outcome)
    for finding in findings:
        if finding.key in done:
            context.record(finding)


def _uploads_of(findings: list[Finding]) -> dict[str, UploadedFile]:
    uploads = UploadedFile.objects.filter(key__in=[finding.key for finding in findings])
    return {upload.key: upload for upload in uploads}


def _move_to_trash(context: CleanupContext, findings: list[Finding]) -> RemovalResult:
    still, failed = _still_old(context, findings)
    outcome = trash.move_to_trash(still)
    outcome.failed += failed
    return outcome


def _still_old(context: CleanupContext, findings: list[Finding]) -> tuple[list[StoredObject], int]:
    """Return the objects that still exist and are old, and how many could not be checked."""
    existing, failed = _existing(context, findings)
    return [stored for stored in existing if stored.modified < context.ages.before], failed


def _existing(context: CleanupContext, findings: list[Finding]) -> tuple[list[StoredObject], int]:
    """Return the objects that still exist, and how many could not be checked."""
    existing, failed = [], 0
    for finding in findings:
        try:
            stored = context.store.describe(finding.key)
        except OSError:
            logger.exception("storage could not describe %s", finding.key)
            failed += 1
        else:
            if stored and not stored.is_link:
                existing.append(stored)
    return existing, failed


def _delete_temporary(context: CleanupContext, findings: list[Finding]) -> RemovalResult:
    outcome = RemovalResult()
    for finding in findings:
        try:
            if not is_awaited(finding.key):
                context.store.delete_temporary(finding.key)
        except OSError:
            logger.exception("storage did not delete %s", finding.key)
            outcome.failed += 1
        else:
            outcome.done[finding.key] = finding.size
    return outcome


def _mark(context: CleanupContext, findings: list[Finding]) -> RemovalResult:
    """Mark rows as missing or as stored again, if that still holds."""
    outcome = RemovalResult()
    uploads = _uploads_of(findings)
    for finding in findings:
        is_found = finding.kind == FindingKind.FOUND
        try:
            exists = _exists(context.store, finding)
        except OSError:
            logger.exception("storage could not describe %s", finding.key)
            outcome.failed += 1
            continue
        mark = mark_found if is_found else mark_missing
        if exists == is_found and mark(upload=uploads[finding.key]):
            outcome.done[finding.key] = finding.size
    return outcome


def _exists(store: ObjectStore, finding: Finding) -> bool:
    """Return whether the object of a file exists: for a missing one, also in the trash."""
    places = [finding.key]
    if finding.kind == FindingKind.MISSING:
        places.append(quarantine_key(finding.key))
    return any(store.describe(place) is not None for place in places)


def _return_to_files(context: CleanupContext, findings: list[Finding]) -> RemovalResult:
    return _in_trash(context, findings, trash.return_to_files)


def _record_found(context: CleanupContext, findings: list[Finding]) -> RemovalResult:
    return _in_trash(context, findings, trash.record_found)


def _in_trash(
    context: CleanupContext,
    findings: list[Finding],
    act: Callable[[list[StoredObject]], RemovalResult],
) -> RemovalResult:
    """Do something with the objects of findings that still are in the trash."""
    existing, failed = _existing(context, findings)
    outcome = act([stored._replace(key=key_in_trash(stored.key)) for stored in existing])
    done = {quarantine_key(key): size for key, size in outcome.done.items()}
    return RemovalResult(done, outcome.failed + failed)


_ACTIONS: dict[FindingKind, Callable[[CleanupContext, list[Finding]], RemovalResult]] = {
    FindingKind.MISPLACED: _return_to_files,
    FindingKind.UNRECORDED: _record_found,
    FindingKind.LATE: _move_to_trash,
    FindingKind.TEMPORARY: _delete_temporary,
    FindingKind.ORPHAN: _move_to_trash,
    FindingKind.MISSING: _mark,
    FindingKind.FOUND: _mark,
}


def _count(
    context: CleanupContext, kind: FindingKind, page: Sequence[T], outcome: RemovalResult
) -> None:
    """Count the result of a page of rows, and report them in their order."""
    context.left -= len(outcome.done) + outcome.failed
    context.count(kind, outcome)
    for row in page:
        if row.key in outcome.done:
            context.record(Finding(kind=kind, key=row.key, size=row.size))

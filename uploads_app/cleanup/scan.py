"""Looking through the whole store, in as many runs as that takes, and judging what was seen.

What disagrees is written down, and nothing else is changed.
"""

import uuid
from collections.abc import Iterator
from itertools import chain

from sessions_app.models import UserSession
from uploads_app.cleanup import reconcile
from uploads_app.cleanup.reconcile import UNEXPECTED, Finding, FindingKind, ScanProgress
from uploads_app.cleanup.work import BATCH, CleanupContext
from uploads_app.marker import Stop
from uploads_app.models import KEY_LENGTH, Mismatch, StoreState

UNEXPECTED_FLOOR = 100
UNEXPECTED_SHARE = 0.05
# How much of a scheduled run may go into looking, so that some is left to act.
SCAN_SHARE = 0.5


def everything(work: CleanupContext, seen: ScanProgress) -> Iterator[Finding]:
    """Yield all that a look finds; what has a key that cannot be written down is only told."""
    for finding in chain(
        reconcile.find_mismatches(work.store, work.ages, seen), _temporary_files(work, seen)
    ):
        key = finding.label[:KEY_LENGTH]
        yield finding if key == finding.key else Finding(FindingKind.UNKNOWN, key, finding.size)


def _temporary_files(work: CleanupContext, seen: ScanProgress) -> Iterator[Finding]:
    if not seen.is_partial:
        for name in work.store.temporary_files(work.ages.temporary_before):
            yield Finding(FindingKind.TEMPORARY, name)


def continue_scan(work: CleanupContext) -> tuple[StoreState, ScanProgress]:
    """Look through the whole store, or as far as a scheduled run may, from where the last one ended."""
    state = StoreState.objects.get()
    is_scheduled = work.options.seconds != float("inf")
    work.run.continued = bool(state.scan_after and is_scheduled)
    if not work.run.continued:
        state.scan_id, state.scan_after = uuid.uuid4(), ""
        state.scanned_objects = state.scanned_rows = 0
        Mismatch.objects.all().delete()

    def pause() -> None:
        work.keep_lease()
        work.options.progress(seen.objects)

    def enough() -> bool:
        return not work.has_time(SCAN_SHARE)

    seen = ScanProgress(pause, enough, state.scanned_objects, state.scanned_rows, state.scan_after)
    found: list[Mismatch] = []
    for finding in everything(work, seen):
        found.append(_mismatch(state, finding))
        if len(found) == BATCH:
            _write(found)
            found = []
    _write(found)
    # A look that is over is not gone on from: what a crash leaves of acting on it, a fresh one finds.
    state.scan_after = seen.after if seen.is_partial else ""
    state.scanned_objects, state.scanned_rows = seen.objects, seen.rows
    state.save(update_fields=["scan_id", "scan_after", "scanned_objects", "scanned_rows"])
    work.run.objects_seen, work.run.rows_seen = seen.objects, seen.rows
    return state, seen


def judge(work: CleanupContext, state: StoreState, seen: ScanProgress) -> None:
    """Raise Stop if what was seen is not plausible, after telling what that was."""
    mismatches = Mismatch.objects.filter(scan_id=state.scan_id)
    try:
        refuse_implausible(work, seen, mismatches.filter(kind__in=UNEXPECTED).count())
    except Stop:
        for mismatch in mismatches.order_by("id").iterator(BATCH):
            work.record(finding_of(mismatch))
        work.note_counts()
        discard_scan(state)
        raise


def refuse_implausible(work: CleanupContext, seen: ScanProgress, unexpected: int) -> None:
    """Raise Stop if there are no sessions, or more files on one side only than is plausible."""
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


def discard_scan(state: StoreState) -> None:
    """Remove what a look has written down, once it has been acted on or called implausible."""
    Mismatch.objects.filter(scan_id=state.scan_id).delete()


def finding_of(mismatch: Mismatch) -> Finding:
    """Return what was written down as it was found."""
    return Finding(FindingKind(mismatch.kind), mismatch.key, mismatch.size)


def _mismatch(state: StoreState, finding: Finding) -> Mismatch:
    return Mismatch(
        scan_id=state.scan_id,
        kind=finding.kind,
        key=finding.key,
        size=finding.size,
    )


def _write(found: list[Mismatch]) -> None:
    # A look that a crash cut off finds some of them again.
    Mismatch.objects.bulk_create(found, ignore_conflicts=True)

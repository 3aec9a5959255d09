"""Scans the whole store and all rows, in as many runs as that takes, and judges the result.

A scan stores what it finds and changes nothing else.
"""

import uuid
from collections.abc import Iterator
from itertools import chain
from math import ceil

from sessions_app.models import UserSession
from uploads_app.cleanup import reconcile, trash_scan
from uploads_app.cleanup.findings import UNEXPECTED, FindingKind, removable_rows
from uploads_app.cleanup.reconcile import ScanProgress
from uploads_app.cleanup.run_context import BATCH, CleanupContext
from uploads_app.marker import Stop
from uploads_app.models import KEY_LENGTH, VISIBLE, Finding, StoreState, UploadedFile
from uploads_app.storage.keys import final_key, is_incoming

UNEXPECTED_FLOOR = 100
UNEXPECTED_SHARE = 0.05
# A store gets rid of its files within two weeks or more, so a run after a day's outage stays below.
REMOVAL_SHARE = 0.2
# The share of a scheduled run that the scan may use, so that time is left to apply findings.
SCAN_SHARE = 0.5
# A page is read in milliseconds. To renew the lease takes as long, because it is a commit.
RENEW_SECONDS = 30


def everything(context: CleanupContext, seen: ScanProgress) -> Iterator[Finding]:
    """Yield all findings of a scan. A key that cannot be stored is only reported, as unknown."""
    for finding in chain(
        reconcile.find_mismatches(context.store, context.ages, seen),
        _outside_uploads(context, seen),
    ):
        key = finding.label[:KEY_LENGTH]
        if key != finding.key:
            finding.kind, finding.key = FindingKind.UNKNOWN, key
        yield finding


def _outside_uploads(context: CleanupContext, seen: ScanProgress) -> Iterator[Finding]:
    """Yield the findings in the trash, and the temporary files, once per scan."""
    if seen.is_partial:
        return
    yield from trash_scan.find_misplaced(context.store, seen.pause)
    for name in context.store.temporary_files(context.ages.temporary_before):
        if not is_awaited(name):
            yield Finding(kind=FindingKind.TEMPORARY, key=name)


def is_awaited(name: str) -> bool:
    """Return whether a temporary object is what a browser sent for an upload in progress."""
    if not is_incoming(name):
        return False
    return UploadedFile.objects.pending().filter(key=final_key(name)).exists()


def continue_scan(context: CleanupContext) -> tuple[StoreState, ScanProgress]:
    """Scan the whole store. A scheduled run continues the scan before it, for a share of its time."""
    state = StoreState.objects.get()
    is_scheduled = context.options.seconds != float("inf")
    context.run.continued = bool(state.scan_after and is_scheduled)
    if not context.run.continued:
        state.scan_id, state.scan_after = uuid.uuid4(), ""
        state.scanned_objects = state.scanned_rows = 0
        Finding.objects.all().delete()

    def pause() -> None:
        context.keep_lease(RENEW_SECONDS)
        context.options.progress(seen.objects)

    def enough() -> bool:
        return not context.has_time(SCAN_SHARE)

    seen = ScanProgress(pause, enough, state.scanned_objects, state.scanned_rows, state.scan_after)
    found: list[Finding] = []
    for finding in everything(context, seen):
        finding.scan_id = state.scan_id
        found.append(finding)
        if len(found) == BATCH:
            _store(context, found)
            found = []
    _store(context, found)
    # A complete scan is never continued: after a crash while applying it, the next run scans again.
    state.scan_after = seen.after if seen.is_partial else ""
    state.scanned_objects, state.scanned_rows = seen.objects, seen.rows
    state.save(update_fields=["scan_id", "scan_after", "scanned_objects", "scanned_rows"])
    context.run.objects_seen, context.run.rows_seen = seen.objects, seen.rows
    return state, seen


def judge(context: CleanupContext, state: StoreState, seen: ScanProgress) -> None:
    """Raise Stop if the result of the scan is implausible, after reporting all of it."""
    findings = Finding.objects.filter(scan_id=state.scan_id)
    try:
        refuse_implausible(context, seen, findings.filter(kind__in=UNEXPECTED).count())
        refuse_mass_removal(context)
    except Stop:
        for finding in findings.order_by("id").iterator(BATCH):
            context.record(finding)
        context.store_counts()
        discard_scan(state)
        raise


def refuse_implausible(context: CleanupContext, seen: ScanProgress, unexpected: int) -> None:
    """Raise Stop if there are no sessions, or more orphans and missing files than is plausible."""
    if seen.objects and not UserSession.objects.exists():
        raise Stop(
            "no_sessions",
            "The store has files, but the database has no session. Is it the right database?",
        )
    share = context.options.allow_share
    allowed = max(
        UNEXPECTED_FLOOR,
        (UNEXPECTED_SHARE if share is None else share) * max(seen.objects, seen.rows),
    )
    if unexpected > allowed:
        raise Stop(
            "too_many_unexpected",
            f"{unexpected} files are orphans or missing, and at most {allowed:.0f} are plausible. "
            "Is the store complete, and is it the right database?",
        )


def refuse_mass_removal(context: CleanupContext) -> None:
    """Raise Stop if more files are past their retention at once than is plausible."""
    due = removable_rows(FindingKind.PAST_RETENTION, context.ages).count()
    if due <= UNEXPECTED_FLOOR:
        return
    stored = UploadedFile.objects.filter(status__in=VISIBLE).count()
    share = max(REMOVAL_SHARE, context.options.allow_share or 0)
    allowed = max(UNEXPECTED_FLOOR, round(stored * share))
    if due > allowed:
        raise Stop(
            "too_many_past_retention",
            f"{due} of {stored} files are past their retention, and at most {allowed} at once "
            "are plausible. Are the clock and the retentions right? If so, run it once with "
            f"--allow-share {ceil(100 * due / stored)}.",
        )


def discard_scan(state: StoreState) -> None:
    """Delete the stored findings of a scan that has been applied or was implausible."""
    Finding.objects.filter(scan_id=state.scan_id).delete()


def _store(context: CleanupContext, found: list[Finding]) -> None:
    context.keep_lease()
    # A scan that continues after a crash finds some of them again.
    Finding.objects.bulk_create(found, ignore_conflicts=True)

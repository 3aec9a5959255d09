"""Which batch has a row, and when it was verified: what staff see."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from django.utils.timesince import timesince

from audit_app.models import AuditLog, SealBatch, SealState
from audit_app.seal import gaps
from audit_app.seal.id_ranges import contains, from_text
from audit_app.seal.problems import SealProblem
from audit_app.seal.rows import class_of

# Batches of one class overlap only where rows were committed late.
_CANDIDATES = 50


class SealStatus(NamedTuple):
    """The batch of a row, and the last verification that covered it, unless that found tampering."""

    batch: int
    verified_at: datetime | None
    is_tampered: bool

    @property
    def verification(self) -> str:
        if self.is_tampered:
            return "but the last verification found a difference"
        return (
            f"verified {timesince(self.verified_at)} ago"
            if self.verified_at
            else "not verified yet"
        )

    def __str__(self) -> str:
        return f"sealed in batch {self.batch}, {self.verification}"


def batch_of(log: AuditLog) -> SealBatch | None:
    """Return the batch that says that it has this row; None if it is not sealed."""
    name = class_of(log.event_type, log.retention)
    candidates = SealBatch.objects.filter(last_id__gte=log.pk).order_by("last_id")
    for batch in candidates.filter(first_id__lte=log.pk, retention=name)[:_CANDIDATES]:
        if contains(from_text(batch.ids), log.pk):
            return batch
    return None


def status_of(log: AuditLog) -> SealStatus | None:
    return _status(log, SealState.objects.first() or SealState())


def seal_in_words(log: AuditLog) -> str:
    """Return the sentence part about one event."""
    return str(status_of(log) or "not sealed yet")


def seal_of_events(logs: Sequence[AuditLog]) -> str:
    """Return the sentence about events, newest first; empty if the log is not sealed at all."""
    state = SealState.objects.first() or SealState()
    if not (state.head and logs):
        return ""
    try:
        waiting = [gap.ids for gap in gaps.from_json(state.gaps)]
    except SealProblem:  # the alert says it
        return ""
    sealed = [log for log in logs if log.pk <= state.low_water and not contains(waiting, log.pk)]
    status = _status(sealed[0], state) if sealed else None
    if status is None:
        return "These events are not sealed yet."
    waits = f" Not sealed yet: {len(logs) - len(sealed)} of {len(logs)}."
    whole = f"These events are sealed up to batch {status.batch}, {status.verification}."
    return whole + (waits if len(sealed) < len(logs) else "")


def _status(log: AuditLog, state: SealState) -> SealStatus | None:
    batch = batch_of(log)
    if batch is None:
        return None
    is_covered = batch.head_id <= state.verified_head
    is_tampered = state.verify_problem.startswith("tampered")
    return SealStatus(batch.number, state.verified_at if is_covered else None, is_tampered)


def head_numbers(ids: Iterable[int]) -> set[int]:
    """Return the heads whose batches have these rows."""
    found = set()
    for row in AuditLog.objects.filter(pk__in=list(ids)):
        if batch := batch_of(row):
            found.add(batch.head_id)
    return found

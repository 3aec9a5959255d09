"""Which batch has a row, and when it was verified: what staff see."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from audit_app.models import AuditLog, SealBatch, SealState
from audit_app.seal.id_ranges import contains, from_text
from audit_app.seal.rows import class_of

# Batches of one class overlap only where rows were committed late.
_CANDIDATES = 50


class SealStatus(NamedTuple):
    """The batch of a row, and the last verification that was intact, if it covered the batch."""

    batch: int
    head: int
    verified_at: datetime | None


def batch_of(log: AuditLog) -> SealBatch | None:
    """Return the batch that says that it has this row; None if it is not sealed."""
    name = class_of(log.event_type, log.retention)
    candidates = SealBatch.objects.filter(last_id__gte=log.pk).order_by("last_id")
    for batch in candidates.filter(first_id__lte=log.pk, retention=name)[:_CANDIDATES]:
        if contains(from_text(batch.ids), log.pk):
            return batch
    return None


def status_of(log: AuditLog) -> SealStatus | None:
    batch = batch_of(log)
    if batch is None:
        return None
    state = SealState.objects.first()
    is_verified = (
        state is not None
        and not state.verify_problem.startswith("tampered")
        and batch.head_id <= state.verified_head
    )
    return SealStatus(
        batch.number, batch.head_id, state.verified_at if state and is_verified else None
    )


def head_numbers(ids: Iterable[int]) -> set[int]:
    """Return the heads whose batches have these rows."""
    found = set()
    for row in AuditLog.objects.filter(pk__in=list(ids)):
        if batch := batch_of(row):
            found.add(batch.head_id)
    return found

"""What an operator can do when the seal cannot continue, or warns for ever about an honest cause."""

from django.db import transaction

from audit_app import events
from audit_app.models import SealBatch, SealHead, SealState
from audit_app.seal import anchors, gaps, keys
from audit_app.seal.chain_check import ranges_of
from audit_app.seal.differences import Difference
from audit_app.seal.heads import Head, parse
from audit_app.seal.id_ranges import between
from audit_app.seal.problems import SealProblem
from audit_app.seal.rows import read_ranges
from audit_app.seal.verification import TAMPERED, Report, Scope, verify
from audit_app.services import record

# Warnings that stay for ever. What they are about is signed, so it cannot change later.
ACCEPTABLE = ("clock", "key_replaced")


def accept(report: Report, wanted: str, reason: str) -> Difference:
    """Accept a warning of a report, written like `key_replaced at head 7`; raises ValueError."""
    found = next((one for one in report.differences if one.name == wanted), None)
    if found is None or found.code not in ACCEPTABLE:
        raise ValueError(
            f"Not accepted: {wanted}. Only {' and '.join(ACCEPTABLE)} can be accepted, "
            "and only as this verification names them."
        )
    accepted = [*keys.accepted_breaks(), keys.AcceptedBreak(found.code, found.place)]
    with transaction.atomic():
        record(events.SEAL_BREAK_ACCEPTED, difference=wanted, reason=reason)
        keys.write_public_keys(keys.public_keys(), accepted)
    report.accept(found)
    return found


def rebuild_state() -> SealState | None:
    """Compute the row of state from heads and batches; None if it fits. Raises SealProblem.

    The whole log must verify first: the next head continues what is there now.
    """
    old, _ = SealState.objects.get_or_create(singleton=SealState.SINGLETON)
    head = _last_head()
    if head is None or _fits(old, head):
        return None
    if head.number < old.head:
        sentence = f"Heads {head.number + 1} to {old.head} are missing."
        raise SealProblem("chain_broken", sentence)
    missing = _missing(head.through)
    new = SealState(head=head.number, low_water=head.through, gaps=gaps.to_json(missing))
    _require_intact(new)
    waiting = len(read_ranges([gap.ids for gap in missing]))
    with transaction.atomic():
        same = SealState.objects.filter(head=old.head, low_water=old.low_water, gaps=old.gaps)
        if not same.update(head=new.head, low_water=new.low_water, gaps=new.gaps):
            raise SealProblem(
                "chain_broken", "The state was changed meanwhile. Repeat the command."
            )
        record(events.SEAL_STATE_REBUILT, head=new.head, waiting=waiting)
    return new


def _last_head() -> Head | None:
    row = SealHead.objects.order_by("-number").first()
    try:
        return parse(row.text) if row else None
    except ValueError as error:
        raise SealProblem("chain_broken", f"Head {row and row.number} is {error}.") from error


def _fits(state: SealState, head: Head) -> bool:
    try:
        gaps.from_json(state.gaps)
    except SealProblem:
        return False
    return (state.head, state.low_water) == (head.number, head.through)


def _missing(through: int) -> list[gaps.Gap]:
    """Return the ids that no batch has: transactions of PostgreSQL may still bring their rows."""
    ids = [one for batch in SealBatch.objects.iterator() for one in ranges_of(batch)]
    seen = gaps.observe()
    if seen is None:
        return []
    ids.sort(key=lambda one: one.start)
    return [gaps.Gap(one, seen.xmax, seen.writers) for one in between(ids, 0, through)]


def _require_intact(state: SealState) -> None:
    report = verify(Scope(), state=state)
    report.add(anchors.compare_all())
    if report.exit_code == TAMPERED:
        raise SealProblem("tampered", f"Nothing was changed. {report.first}")

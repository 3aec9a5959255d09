"""What the schedules run: sealing with anchors, and one verification a day, in slices."""

import time
from datetime import timedelta

from audit_app.models import SealHead, SealState
from audit_app.seal import alerts, anchors, keys
from audit_app.seal.differences import Difference
from audit_app.seal.problems import Known, SealProblem
from audit_app.seal.sealer import seal_if_due
from audit_app.seal.verification import HEADS_AT_ONCE, TAMPERED, Report, Verification
from common.clock import DATABASE_CLOCK

VERIFY_EVERY = timedelta(hours=23)


def is_set_up() -> bool:
    """Return whether the log is sealed: there is a key, or there was one."""
    return keys.key_path().exists() or SealHead.objects.exists() or bool(keys.public_keys())


def seal_and_anchor() -> str:
    """Seal what is due, write the anchors, and mail about problems."""
    try:
        if not is_set_up():
            return "there is no key"
        heads = seal_if_due()
        result = f"{len(heads)} heads, {sum(head.rows for head in heads)} rows"
        _note(seal_problem="")
    except SealProblem as problem:
        result = problem.sentence
        _note(seal_problem=str(Known(problem.code, problem.sentence)))
    anchors.write_waiting()
    alerts.watch()
    return result


def verify_in_turn(seconds: float) -> str:
    """Continue the verification of this day for some time; the next call continues it."""
    state = SealState.objects.first()
    now = DATABASE_CLOCK.now()
    if state is None or not state.head:
        return "nothing is sealed"
    is_due = state.verified_at is None or now - state.verified_at >= VERIFY_EVERY
    if not (is_due or state.verify_next or state.verify_problem):
        return "verified today"
    try:
        result = _continue(max(state.verify_next, 1), time.monotonic() + seconds)
    except SealProblem as problem:
        result = problem.sentence
        _note(verify_problem=str(Known("verification_stopped", problem.sentence)))
    alerts.watch()
    return result


def _continue(first: int, deadline: float) -> str:
    one = Verification()
    one.chain()
    while first <= one.state.head and time.monotonic() < deadline:
        if one.report.exit_code == TAMPERED:
            break
        last = min(first + HEADS_AT_ONCE - 1, one.state.head)
        one.rows([(first, last)], lambda _: None)
        first = last + 1
    if first <= one.state.head and one.report.exit_code != TAMPERED:
        _note(verify_next=first)
        return f"verified up to head {first - 1}"
    one.tail()
    one.report.add(anchors.compare_all())
    return _finish(one)


def _finish(one: Verification) -> str:
    found = one.report.first
    _note(
        verify_next=0,
        verified_at=DATABASE_CLOCK.now(),
        verified_head=one.state.head,
        verify_problem=str(_problem(found, one.report)),
    )
    accepted = f", {len(one.report.known)} accepted" if one.report.known else ""
    return str(found) if found else f"intact up to head {one.state.head}{accepted}"


def _problem(found: Difference | None, report: Report) -> Known:
    if found is None:
        return alerts.NOTHING
    code = "tampered" if report.exit_code == TAMPERED else "warning"
    return Known(code, str(found))


def _note(**values: object) -> None:
    SealState.objects.get_or_create(singleton=SealState.SINGLETON)
    SealState.objects.update(**values)

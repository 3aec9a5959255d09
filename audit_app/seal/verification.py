"""Verifies the log against its seal: heads first, then the rows of each head."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.db import connections
from django.db.models import Max, Min, Q

from audit_app.models import AuditLog, SealHead, SealState
from audit_app.seal import gaps, keys
from audit_app.seal.chain_check import ChainCheck, checked, read_heads
from audit_app.seal.differences import Difference
from audit_app.seal.heads import Head, parse
from audit_app.seal.problems import SealProblem
from audit_app.seal.row_check import RowCheck, orphans
from common.clock import DATABASE_CLOCK

INTACT, TAMPERED, NOT_CHECKED, WARNED = 0, 1, 2, 3
# More are counted, not listed.
MOST_LISTED = 100
HEADS_AT_ONCE = 20
_LATE_SEAL = timedelta(hours=2)
_LATE_ROW = timedelta(hours=1)
Progress = Callable[[int], None]


@dataclass
class Report:
    """What a verification found, in order; `heads` and `rows` are how much it read.

    `known` are the differences that an operator accepted; they do not count.
    """

    accepted: Sequence[keys.AcceptedBreak] = ()
    heads: int = 0
    rows: int = 0
    unsealed: int = 0
    found: int = 0
    differences: list[Difference] = field(default_factory=list)
    known: list[Difference] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        if any(not one.is_warning for one in self.differences):
            return TAMPERED
        return WARNED if self.differences else INTACT

    @property
    def first(self) -> Difference | None:
        """The first difference that is not a warning, or the first warning."""
        return min(self.differences, key=lambda one: one.is_warning, default=None)

    def accept(self, one: Difference) -> None:
        """Move a difference to those that were accepted."""
        self.found -= 1
        self.differences.remove(one)
        self.known.append(one)

    def add(self, differences: Iterator[Difference]) -> None:
        for one in differences:
            if (one.code, one.place) in self.accepted:
                self.known.append(one)
                continue
            self.found += 1
            # Warnings must not crowd out what matters more.
            if len(self.differences) < MOST_LISTED or not one.is_warning:
                self.differences = [*self.differences, one][: 2 * MOST_LISTED]


@dataclass(frozen=True)
class Scope:
    """Which heads' rows are verified. Their signatures and the chain always are, as a whole."""

    since: datetime | None = None
    until: datetime | None = None
    session_uuid: str = ""

    def numbers(self, last: int) -> list[tuple[int, int]]:
        """Return the first and last head of each range."""
        if self.session_uuid:
            return _heads_of_session(self.session_uuid, last)
        heads = SealHead.objects.filter(number__lte=last)
        if self.since:
            heads = heads.filter(sealed_at__gte=self.since)
        if self.until:
            heads = heads.filter(sealed_at__lt=self.until)
        ends = heads.aggregate(first=Min("number"), last=Max("number"))
        return [(ends["first"], ends["last"])] if ends["first"] else []

    @property
    def is_whole(self) -> bool:
        return not (self.since or self.until or self.session_uuid)


class Verification:
    """One verification. What is committed after it began is not part of it.

    It believes the row of state where the chain ends, unless it is given another one.
    """

    def __init__(self, state: SealState | None = None) -> None:
        # In this order: a row that was unsealed then may be sealed by a later head.
        self.state = state or SealState.objects.first() or SealState()
        self.trusted = keys.public_keys()
        if not self.trusted:
            raise SealProblem("public_keys_unreadable", "There is no file of public keys.")
        self.unsealed = [gap.ids for gap in gaps.from_json(self.state.gaps)]
        self.report = Report(keys.accepted_breaks())
        self._chain = ChainCheck(self.trusted, self.state.head)

    def chain(self) -> None:
        """Verify the heads."""
        if self.state.head == 0 and not SealHead.objects.exists():
            raise SealProblem("seal_overdue", "The log has no seal yet.")
        self.report.add(self._chain.differences())
        self.report.heads = self.state.head
        self.report.add(self._beyond())

    def rows(self, ranges: Sequence[tuple[int, int]], progress: Progress, jobs: int = 1) -> None:
        """Verify the rows of the heads in these ranges."""
        slices = [
            (start, min(start + HEADS_AT_ONCE - 1, last))
            for first, last in ranges
            for start in range(first, last + 1, HEADS_AT_ONCE)
        ]
        for rows, differences in self._checked(slices, jobs):
            self.report.rows += rows
            self.report.add(iter(differences))
            progress(self.report.rows)

    def tail(self) -> None:
        """Verify what no head covers: the newest rows, and rows before all others."""
        last = SealHead.objects.filter(number=self.state.head).first()
        for number in AuditLog.objects.filter(pk__lte=0).values_list("pk", flat=True)[:MOST_LISTED]:
            self.report.add(iter([Difference("row_inserted", f"row {number}")]))
        if last is None:
            return
        try:
            head = parse(last.text)
        except ValueError:
            return
        self.report.add(RowCheck({}, self.unsealed).above(head))
        self.report.add(_overdue(head))

    def _beyond(self) -> Iterator[Difference]:
        """Yield the heads above the number that the state has, unless a sealer just made them."""
        newest = SealHead.objects.aggregate(last=Max("number"))["last"] or 0
        now = SealState.objects.first() or SealState()
        known = max(now.head, self.state.head)
        if newest > known:
            yield Difference("chain_broken", f"head {known + 1}", "The state does not know it.")

    def _checked(
        self, slices: Sequence[tuple[int, int]], jobs: int
    ) -> Iterator[tuple[int, list[Difference]]]:
        arguments = [(one, self._chain.late, self.unsealed) for one in slices]
        if jobs == 1:
            yield from (check_slice(*one) for one in arguments)
            return
        connections.close_all()
        with ProcessPoolExecutor(jobs, multiprocessing.get_context("fork")) as pool:
            waiting = iter(arguments)
            running = {pool.submit(check_slice, *one) for one in islice(waiting, 2 * jobs)}
            while running:
                done = next(as_completed(running))
                running.remove(done)
                running |= {pool.submit(check_slice, *one) for one in islice(waiting, 1)}
                yield done.result()


def verify(
    scope: Scope,
    *,
    jobs: int = 1,
    progress: Progress = lambda _: None,
    state: SealState | None = None,
) -> Report:
    """Verify the log; raises SealProblem if it cannot be verified."""
    one = Verification(state)
    one.chain()
    one.rows(scope.numbers(one.state.head), progress, jobs)
    if scope.is_whole:
        one.tail()
    return one.report


def check_slice(
    numbers: tuple[int, int], late: dict[int, int], unsealed: Sequence[range]
) -> tuple[int, list[Difference]]:
    """Verify the rows of some heads; return how many there were, and the differences."""
    check = RowCheck(late, unsealed)
    found: list[Difference] = []
    before: Head | None = None
    covered: list[Head] = []
    for row, batches in read_heads(max(numbers[0] - 1, 1), numbers[1]):
        one = checked(row, batches, before)
        before = one.head if one else None
        if one and row.number >= numbers[0]:
            covered.append(one.head)
            found += islice(check.head(one), 2 * MOST_LISTED)
    if covered:
        found += islice(orphans(covered[0].after, covered[-1].through), 2 * MOST_LISTED)
    return check.rows, found


def _heads_of_session(session_uuid: str, last: int) -> list[tuple[int, int]]:
    from audit_app.seal.status import head_numbers

    ids = AuditLog.objects.filter(session_uuid=session_uuid).values_list("pk", flat=True)
    return [(number, number) for number in sorted(head_numbers(ids)) if number <= last]


def _overdue(head: Head) -> Iterator[Difference]:
    now = DATABASE_CLOCK.now()
    waiting = AuditLog.objects.filter(Q(pk__gt=head.through), occurred_at__lt=now - _LATE_ROW)
    if now - head.time > _LATE_SEAL or waiting.exists():
        yield Difference("seal_overdue", f"head {head.number}")

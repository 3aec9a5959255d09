"""Verifies the heads of the seal: signatures, chain and batches, without the rows of the log."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from audit_app.models import SealBatch, SealHead
from audit_app.seal.differences import Difference
from audit_app.seal.heads import NO_HEAD, Head, hash_of, parse
from audit_app.seal.id_ranges import digest, from_text, members
from audit_app.seal.keys import PublicKey, is_signed, key_for, key_id

PAGE = 200


@dataclass
class CheckedHead:
    """A head of the database with the id ranges of its batches, by class."""

    head: Head
    before: Head | None
    ids: dict[str, list[range]] = field(default_factory=dict)


class ChainCheck:
    """Reads the heads up to a number in order; `late` are the ids that a later head sealed."""

    def __init__(self, keys: Sequence[PublicKey], last: int) -> None:
        self._keys, self._last = keys, last
        self.late: dict[int, int] = {}
        self._before: Head | None = None
        self._before_hash = NO_HEAD

    def differences(self) -> Iterator[Difference]:
        """Yield every difference of the heads, and collect the late ids."""
        expected = 1
        for row, batches in read_heads(1, self._last):
            if row.number != expected:
                yield Difference("head_missing", f"head {expected}")
            expected = row.number + 1
            head = _parsed(row)
            if head is None:
                yield Difference("head_changed", f"head {row.number}", "It cannot be read.")
                self._before, self._before_hash = None, hash_of(row.text)
                continue
            yield from self._check(row, head, batches)
            self._before, self._before_hash = head, hash_of(row.text)
        if expected <= self._last:
            yield Difference("tail_cut", f"head {expected}", f"There were {self._last} heads.")

    def _check(
        self, row: SealHead, head: Head, batches: Sequence[SealBatch]
    ) -> Iterator[Difference]:
        place = f"head {row.number}"
        columns = (row.number, row.previous, row.sealed_at)
        if columns != (head.number, head.previous, head.time):
            yield Difference("head_changed", place, "Its columns differ from its text.")
        yield from self._check_key(row, head, place)
        if head.previous != self._before_hash:
            yield Difference("chain_broken", place)
        elif before := self._before:
            if (head.log, head.after) != (before.log, before.through) or head.through < head.after:
                yield Difference("chain_broken", place, "It covers other rows.")
            if head.time < before.time:
                yield Difference("clock", place)
        yield from check_batches(head, batches)
        yield from self._collect_late(head, batches)

    def _check_key(self, row: SealHead, head: Head, place: str) -> Iterator[Difference]:
        valid, before = key_for(self._keys, head.number), self._before
        if valid is None or head.key != valid.id:
            is_known = any(one.id == head.key for one in self._keys)
            yield Difference("retired_key" if is_known else "unknown_key", place)
            return
        if not is_signed(valid.public_key, row.signature, row.text):
            yield Difference("head_signature", place)
        if before and valid.since_head == head.number and before.next_key != valid.public_key:
            yield Difference("key_replaced", place)
        elif before and valid.since_head != head.number and before.next_key:
            expected = key_id(bytes.fromhex(before.next_key))
            if head.key != expected:
                yield Difference("retired_key", place)

    def _collect_late(self, head: Head, batches: Sequence[SealBatch]) -> Iterator[Difference]:
        for batch in batches:
            for one in ranges_of(batch):
                for number in range(one.start, min(one.stop, head.after + 1)):
                    if number in self.late:
                        yield Difference("row_doubled", f"row {number}")
                    self.late[number] = batch.number


def check_batches(head: Head, batches: Sequence[SealBatch]) -> Iterator[Difference]:
    """Yield what differs between a head and the rows of its batches."""
    rows = {batch.number: batch for batch in batches}
    for name, sealed in head.batches.items():
        row = rows.pop(sealed.batch, None)
        place = f"batch {sealed.batch}"
        if row is None:
            yield Difference("batch_changed", place, "Its row is missing.")
            continue
        ranges = ranges_of(row)
        is_same = (row.retention, row.count, row.root) == (name, sealed.count, sealed.root)
        is_whole = digest(row.ids) == sealed.ids and sum(map(len, ranges)) == sealed.count
        ends = (ranges[0].start, ranges[-1].stop - 1) if ranges else None
        if not (is_same and is_whole and ends == (row.first_id, row.last_id)):
            yield Difference("batch_changed", place)
    for number in rows:
        yield Difference("batch_changed", f"batch {number}", "No head has it.")


def read_heads(first: int, last: int) -> Iterator[tuple[SealHead, list[SealBatch]]]:
    """Yield the heads of these numbers with their batches, a page at a time."""
    while first <= last:
        page = SealHead.objects.filter(number__gte=first, number__lte=last).order_by("number")
        heads = list(page.prefetch_related("batches")[:PAGE])
        for head in heads:
            yield head, sorted(head.batches.all(), key=lambda batch: batch.number)
        if len(heads) < PAGE:
            return
        first = heads[-1].number + 1


def checked(row: SealHead, batches: Sequence[SealBatch], before: Head | None) -> CheckedHead | None:
    """Return a head with the ids of those of its batches that can be read; None if it cannot be."""
    head = _parsed(row)
    if head is None:
        return None
    by_number = {batch.number: batch for batch in batches}
    ids = {
        name: ranges_of(batch)
        for name, sealed in head.batches.items()
        if (batch := by_number.get(sealed.batch)) and digest(batch.ids) == sealed.ids
    }
    return CheckedHead(head, before, ids)


def ids_above(ranges: Sequence[range], after: int) -> Iterator[int]:
    return (number for number in members(ranges) if number > after)


def _parsed(row: SealHead) -> Head | None:
    try:
        return parse(row.text)
    except ValueError:
        return None


def ranges_of(batch: SealBatch) -> list[range]:
    """Return the ids of a batch; empty if they cannot be read."""
    try:
        return from_text(batch.ids)
    except ValueError:
        return []

"""Seals the log: each run puts up to HEAD_ROWS committed rows into batches, under one signed head."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from django.db import transaction

from audit_app.models import AuditLog, SealBatch, SealHead, SealState
from audit_app.seal import gaps, keys
from audit_app.seal.heads import NO_HEAD, Head, SealedBatch, hash_of, parse
from audit_app.seal.id_ranges import between, digest, to_ranges, to_text
from audit_app.seal.merkle import leaf_hash, root
from audit_app.seal.problems import SealProblem
from audit_app.seal.rows import StoredRow, class_of, read_above, read_ranges
from common.clock import DATABASE_CLOCK

# A head has at most as many rows, and a run begins when so many wait.
HEAD_ROWS = 10_000
INTERVAL = timedelta(minutes=5)
# A head without rows shows that the seal works.
EMPTY_HEAD_AFTER = timedelta(hours=1)


class AnotherSealed(Exception):
    """Another sealer was first. Nothing was written."""


@dataclass(frozen=True)
class _Position:
    """Where the chain ends, and the last head as it was signed."""

    state: SealState
    last: SealHead | None
    head: Head | None

    @property
    def number(self) -> int:
        return self.state.head + 1


def seal_all(*, next_key: str = "") -> list[Head]:
    """Seal all committed rows; return the new heads. Raises SealProblem.

    With `next_key`, a public key, the last head names it, and no other key can sign after it.
    """
    made: list[Head] = []
    is_full = True
    while is_full:
        try:
            head = _seal_once(may_be_empty=not made and not next_key)
        except AnotherSealed:
            continue
        made += [head] if head else []
        is_full = head is not None and head.rows >= HEAD_ROWS
    return [*made, _rotation_head(next_key)] if next_key else made


def seal_if_due() -> list[Head]:
    """Seal what waits, if it waits long enough or is enough; raises SealProblem."""
    return seal_all() if is_due(DATABASE_CLOCK.now()) else []


def is_due(now: datetime) -> bool:
    last = SealHead.objects.order_by("-number").values_list("sealed_at", flat=True).first()
    if last is None or now - last >= EMPTY_HEAD_AFTER or now < last - INTERVAL:
        return True
    return bool(_waiting_rows(HEAD_ROWS) or (now - last >= INTERVAL and _waiting_rows(1)))


def has_gap_rows(state: SealState) -> bool:
    return bool(read_ranges([gap.ids for gap in gaps.from_json(state.gaps)]))


def _waiting_rows(number: int) -> bool:
    """Return whether at least so many rows wait."""
    state = _state()
    above = AuditLog.objects.filter(pk__gt=state.low_water).order_by("pk")
    return above[number - 1 : number].exists() or (number == 1 and has_gap_rows(state))


def _state() -> SealState:
    return SealState.objects.get_or_create(singleton=SealState.SINGLETON)[0]


def _rotation_head(next_key: str) -> Head:
    while True:
        try:
            position = _position()
            return _write(position, [], gaps.from_json(position.state.gaps), next_key)
        except AnotherSealed:
            continue


def _seal_once(*, may_be_empty: bool) -> Head | None:
    """Seal one head of rows; None if no row waits and an empty head is not due."""
    position = _position()
    missed = gaps.from_json(position.state.gaps)
    # Before the rows are read: a transaction that has ended by now is seen by that read.
    open_gaps = gaps.still_open(missed, gaps.observe())
    late = read_ranges([gap.ids for gap in missed])
    fresh = read_above(position.state.low_water, max(HEAD_ROWS - len(late), 0))
    rows = [*late, *fresh]
    is_silent = position.head is None or (
        DATABASE_CLOCK.now() - position.head.time >= EMPTY_HEAD_AFTER
    )
    if not rows and not (may_be_empty and is_silent):
        return None
    left = gaps.without(open_gaps, [row.id for row in late])
    return _write(position, rows, [*left, *_new_gaps(position.state.low_water, fresh)])


def _new_gaps(low_water: int, fresh: Sequence[StoredRow]) -> list[gaps.Gap]:
    """Return the ids that are missing among new rows. Observed after the rows were read."""
    seen = gaps.observe()
    if seen is None or not fresh:
        return []
    ids = to_ranges(row.id for row in fresh)
    return [gaps.Gap(one, seen.xmax, seen.writers) for one in between(ids, low_water, fresh[-1].id)]


def _position() -> _Position:
    """Read where the chain ends; raises SealProblem if the state and the last head disagree."""
    state = _state()
    last = SealHead.objects.order_by("-number").first()
    if (last.number if last else 0) != state.head:
        state = _state()  # another sealer committed between the two reads
        last = SealHead.objects.order_by("-number").first()
    if (last.number if last else 0) != state.head:
        raise SealProblem("chain_broken", f"The last head is not number {state.head}.")
    try:
        head = parse(last.text) if last else None
    except ValueError as error:
        raise SealProblem("chain_broken", f"Head {state.head} is {error}.") from error
    if head and (head.number, head.through) != (state.head, state.low_water):
        raise SealProblem("chain_broken", f"Head {state.head} does not fit the state of the seal.")
    return _Position(state, last, head)


def _write(
    position: _Position, rows: Sequence[StoredRow], left: Sequence[gaps.Gap], next_key: str = ""
) -> Head:
    """Sign a head about these rows and commit it; raises AnotherSealed or SealProblem."""
    key = _signing_key(position)
    leaves = _leaves_by_class(rows)
    head = _head(position, rows, leaves, key.id, next_key)
    _require_same_rows(rows, leaves)
    text = head.to_text()
    batches = list(_batches(head, leaves))
    with transaction.atomic():
        unchanged = SealState.objects.filter(
            head=position.state.head, low_water=position.state.low_water
        )
        if not unchanged.update(head=head.number, low_water=head.through, gaps=gaps.to_json(left)):
            raise AnotherSealed
        SealHead.objects.create(
            number=head.number,
            text=text,
            signature=key.sign(text),
            previous=head.previous,
            sealed_at=head.time,
        )
        SealBatch.objects.bulk_create(batches)
    return head


def _signing_key(position: _Position) -> keys.SigningKey:
    """Return this host's key; raises SealProblem if it may not sign the next head."""
    key, trusted = keys.load_signing_key(), keys.public_keys()
    valid = keys.key_for(trusted, position.number)
    if valid is None or valid.id != key.id:
        raise SealProblem("key_wrong", f"{keys.key_path()} may not sign head {position.number}.")
    before = position.head
    if before and valid.since_head != position.number:
        expected = keys.key_id(bytes.fromhex(before.next_key)) if before.next_key else before.key
        if key.id != expected:
            raise SealProblem("key_wrong", f"Key {expected} signs after head {before.number}.")
    return key


def _leaves_by_class(rows: Sequence[StoredRow]) -> dict[str, list[tuple[StoredRow, bytes]]]:
    found: defaultdict[str, list[tuple[StoredRow, bytes]]] = defaultdict(list)
    for row in rows:
        found[class_of(row.event_type, row.retention)].append((row, leaf_hash(row.text)))
    return found


def _head(
    position: _Position,
    rows: Sequence[StoredRow],
    leaves: dict[str, list[tuple[StoredRow, bytes]]],
    key_id: str,
    next_key: str,
) -> Head:
    state, before = position.state, position.head
    first = (
        SealBatch.objects.order_by("-number").values_list("number", flat=True).first() or 0
    ) + 1
    return Head(
        number=position.number,
        log=before.log if before else str(uuid.uuid4()),
        previous=hash_of(position.last.text) if position.last else NO_HEAD,
        sealed_at=DATABASE_CLOCK.now().isoformat(),
        key=key_id,
        after=state.low_water,
        through=max(state.low_water, rows[-1].id if rows else 0),
        batches={
            name: _sealed(number, leaves[name])
            for number, name in enumerate(sorted(leaves), start=first)
        },
        next_key=next_key,
    )


def _sealed(number: int, leaves: Sequence[tuple[StoredRow, bytes]]) -> SealedBatch:
    ids = to_text(to_ranges(row.id for row, _ in leaves))
    unclassed = [row.id for row, _ in leaves if row.retention is None]
    return SealedBatch(
        batch=number,
        count=len(leaves),
        root=root([leaf for _, leaf in leaves]).hex(),
        ids=digest(ids),
        unclassed_until=max(unclassed, default=0),
    )


def _batches(head: Head, leaves: dict[str, list[tuple[StoredRow, bytes]]]) -> Iterator[SealBatch]:
    for name, sealed in head.batches.items():
        ids = to_ranges(row.id for row, _ in leaves[name])
        yield SealBatch(
            number=sealed.batch,
            head_id=head.number,
            retention=name,
            count=sealed.count,
            root=sealed.root,
            first_id=ids[0].start,
            last_id=ids[-1].stop - 1,
            ids=to_text(ids),
        )


def _require_same_rows(
    rows: Sequence[StoredRow], leaves: dict[str, list[tuple[StoredRow, bytes]]]
) -> None:
    """Read the rows a second time; raises SealProblem if a leaf is another one.

    If a bit had flipped before the signature, it would later look like a change.
    """
    hashed = {row.id: leaf for row, leaf in chain.from_iterable(leaves.values())}
    for row in read_ranges(to_ranges(row.id for row in rows)):
        if leaf_hash(row.text) != hashed.pop(row.id, None):
            raise SealProblem("bit_rot", f"Row {row.id} reads differently a second time.")
    if hashed:
        raise SealProblem("bit_rot", f"Row {min(hashed)} is missing when it is read again.")

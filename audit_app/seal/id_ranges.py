"""Sets of row ids as text, like `5-9,12,14-20`: ranges, in ascending order."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256


def to_ranges(ids: Iterable[int]) -> list[range]:
    """Return the ranges of ascending ids."""
    found: list[range] = []
    first = last = None
    for number in ids:
        if last is not None and number == last + 1:
            last = number
            continue
        if first is not None and last is not None:
            found.append(range(first, last + 1))
        first = last = number
    if first is not None and last is not None:
        found.append(range(first, last + 1))
    return found


def to_text(ranges: Iterable[range]) -> str:
    return ",".join(
        str(one.start) if len(one) == 1 else f"{one.start}-{one.stop - 1}" for one in ranges
    )


def from_text(text: str) -> list[range]:
    """Parse the output of `to_text`; raises ValueError for anything else."""
    found = []
    for part in text.split(",") if text else []:
        first, _, last = part.partition("-")
        found.append(range(int(first), int(last or first) + 1))
    if to_text(found) != text or any(
        before.stop > after.start for before, after in itertools.pairwise(found)
    ):
        raise ValueError("not ascending ranges of ids")
    return found


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def contains(ranges: Sequence[range], number: int) -> bool:
    return any(number in one for one in ranges)


def members(ranges: Iterable[range]) -> Iterator[int]:
    for one in ranges:
        yield from one


def between(ranges: Sequence[range], after: int, through: int) -> list[range]:
    """Return the ids that `ids`, ascending, does not have between `after` and `through`."""
    missing, start = [], after + 1
    for one in ranges:
        if one.start > start:
            missing.append(range(start, one.start))
        start = max(start, one.stop)
    if start <= through:
        missing.append(range(start, through + 1))
    return missing

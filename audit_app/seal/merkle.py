"""Merkle trees of RFC 6962, section 2.1, over SHA-256."""

from collections.abc import Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(text: str) -> bytes:
    return sha256(b"\x00" + text.encode()).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the root of a tree from its leaf hashes."""
    level = list(leaves)
    while len(level) > 1:
        level = _above(level)
    return level[0] if level else EMPTY_ROOT


def levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Return every level of a tree, from the leaf hashes up to the root alone."""
    found = [list(leaves)]
    while len(found[-1]) > 1:
        found.append(_above(found[-1]))
    return found


def path(tree: Sequence[Sequence[bytes]], index: int) -> list[bytes]:
    """Return the audit path of a leaf (section 2.1.1), from the bottom up; `tree` are its levels."""
    beside = ((level, (index >> depth) ^ 1) for depth, level in enumerate(tree[:-1]))
    return [level[at] for level, at in beside if at < len(level)]


def _above(level: list[bytes]) -> list[bytes]:
    """Hash neighbours in pairs; a last one without a neighbour moves up as it is."""
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
    return above + level[-1:] if len(level) % 2 else above

"""A head: the signed text about the batches of one run, as docs/seal.md describes it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Any

from audit_app.canonical import canonical_text

FORMAT = 1
NO_HEAD = "0" * 64


@dataclass(frozen=True)
class SealedBatch:
    """What a head says about a batch. `ids` is the SHA-256 of its id ranges as text.

    Rows up to the id `unclassed_until` may lack a class in their column.
    """

    batch: int
    count: int
    root: str
    ids: str
    unclassed_until: int = 0


@dataclass(frozen=True)
class Head:
    """A head without its signature. It covers the rows with ids above `after`, up to `through`.

    Late rows, with ids of earlier heads, come in addition. `next_key` is the public key (hex)
    that signs from the next head on.
    """

    number: int
    log: str
    previous: str
    sealed_at: str
    key: str
    after: int
    through: int
    batches: Mapping[str, SealedBatch] = field(default_factory=dict)
    next_key: str = ""

    def to_text(self) -> str:
        return canonical_text(
            {
                **{name: value for name, value in vars(self).items() if name != "batches"},
                "format": FORMAT,
                "batches": {name: vars(batch) for name, batch in self.batches.items()},
            }
        )

    @property
    def rows(self) -> int:
        return sum(batch.count for batch in self.batches.values())

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.sealed_at)


def hash_of(text: str) -> str:
    """Return the hash of a head's text, which the next head names."""
    return sha256(text.encode()).hexdigest()


def parse(text: str) -> Head:
    """Parse the output of `to_text`; raises ValueError for anything else."""
    try:
        values: dict[str, Any] = json.loads(text)
        if values.pop("format") != FORMAT:
            raise ValueError("a head of an unknown format")
        batches = {name: SealedBatch(**one) for name, one in values.pop("batches").items()}
        head = Head(**values, batches=batches)
        same = head.to_text() == text and head.time.tzinfo is not None
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a head") from error
    if not same:
        raise ValueError("not the canonical text of a head")
    return head

"""Exports that an outsider can check: whole batches, or rows with a proof each (docs/seal.md)."""

import json
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from audit_app.models import AuditLog, SealBatch, SealHead
from audit_app.seal.chain_check import read_heads
from audit_app.seal.id_ranges import from_text
from audit_app.seal.merkle import leaf_hash, levels, path
from audit_app.seal.rows import read_ranges
from audit_app.seal.status import batch_of

FORMAT = "maria-audit-export-1"
# Trees of batches that are kept: rows of neighbouring heads come in turns.
_TREES = 8


def whole_batches(first: int, last: int, retention: str = "") -> Iterator[str]:
    """Yield the lines of an export of all batches of some heads, or those of one class."""
    yield _line({"format": FORMAT})
    for head, batches in read_heads(first, last):
        yield _line({"head": head.text, "signature": head.signature})
        for batch in batches:
            if retention in ("", batch.retention):
                yield _line({"batch": batch.number, "head": head.number})
                for row in read_ranges(from_text(batch.ids)):
                    yield _line({"row": row.text})


def with_proofs(rows: Iterator[AuditLog]) -> Iterator[str]:
    """Yield the lines of an export of any rows, with the heads that their proofs need."""
    proofs = _Proofs()
    yield _line({"format": FORMAT})
    for row in rows:
        yield from proofs.lines(row)


class _Proofs:
    def __init__(self) -> None:
        self._trees: OrderedDict[int, tuple[SealBatch, dict[int, int], list[list[bytes]]]] = (
            OrderedDict()
        )
        self._heads: set[int] = set()

    def lines(self, row: AuditLog) -> Iterator[str]:
        found = self._tree(row)
        if found is None:
            yield _line({"row": row.text})
            return
        batch, places, tree = found
        if batch.head_id not in self._heads:
            self._heads.add(batch.head_id)
            head = SealHead.objects.get(pk=batch.head_id)
            yield _line({"head": head.text, "signature": head.signature})
        index = places[row.pk]
        proof = [step.hex() for step in path(tree, index)]
        place = {"batch": batch.number, "head": batch.head_id, "index": index, "path": proof}
        yield _line({"row": row.text, **place})

    def _tree(self, row: AuditLog) -> tuple[SealBatch, dict[int, int], list[list[bytes]]] | None:
        for found in self._trees.values():
            if row.pk in found[1]:
                return found
        batch = batch_of(row)
        if batch is None:
            return None
        stored = read_ranges(from_text(batch.ids))
        places = {one.id: index for index, one in enumerate(stored)}
        if row.pk not in places:
            return None
        self._trees[batch.number] = (batch, places, levels([leaf_hash(one.text) for one in stored]))
        while len(self._trees) > _TREES:
            self._trees.popitem(last=False)
        return self._trees[batch.number]


def _line(values: Mapping[str, Any]) -> str:
    return json.dumps(values) + "\n"

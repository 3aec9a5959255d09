"""Checks that a program does the product's work, before it is measured."""

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from benchmarks.cases import BenchmarkCase
from benchmarks.load import Answer


class UnequalWork(Exception):
    """Two programs do not do the same work, so their figures cannot be compared."""


# Gets the case, the text that the answer must contain, the product's answer and the program's.
Check = Callable[[BenchmarkCase, str, Answer, Answer], None]


def contains_text(case: BenchmarkCase, text: str, ours: Answer, theirs: Answer) -> None:
    _require(case, text in theirs.body.decode("latin-1"), text, theirs.body[:1000])


def has_same_fields(case: BenchmarkCase, text: str, ours: Answer, theirs: Answer) -> None:
    """The same status, and the same names in the same places; of a file the same bytes."""
    contains_text(case, text, ours, theirs)
    _require(case, ours.head[:12] == theirs.head[:12], ours.head, theirs.head)
    described = [_describe(case, answer.body) for answer in (ours, theirs)]
    _require(case, described[0] == described[1], *described)


def is_replayed(
    statements: Callable[[BenchmarkCase], int],
    case: BenchmarkCase,
    text: str,
    ours: Answer,
    theirs: Answer,
) -> None:
    """As many bytes in the answer, and as many statements as were recorded."""
    lengths = [_number(answer, "content-length") for answer in (ours, theirs)]
    _require(case, lengths[0] == lengths[1], *lengths)
    ran = _number(theirs, "x-statements")
    _require(case, ran == statements(case), statements(case), ran)


def _describe(case: BenchmarkCase, body: bytes) -> Any:
    return hashlib.sha256(body).hexdigest() if case.effect == "send" else _shape(json.loads(body))


def _shape(value: Any) -> Any:
    """Return the names in JSON, without values."""
    if isinstance(value, dict):
        return {name: _shape(one) for name, one in value.items()}
    return (
        [_shape(one) for one in value if isinstance(one, dict)] if isinstance(value, list) else ""
    )


def _number(answer: Answer, name: str) -> int:
    found = re.search(rf"\r\n{name}: *(\d+)".encode(), answer.head, re.IGNORECASE)
    return int(found[1]) if found else -1


def _require(case: BenchmarkCase, is_same: bool, ours: object, theirs: object) -> None:
    if not is_same:
        raise UnequalWork(f"{case.name}: {ours!r} is not {theirs!r}")

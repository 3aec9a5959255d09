"""Ids that are missing below the highest sealed one: does a transaction still bring them?

On SQLite ids commit in order, so a missing id never comes. On PostgreSQL a transaction takes
its id before it commits. A missing id is given up when every transaction has ended that could
have taken it: those with a number below the `xmax` that was noted after the id was missed, and
those that were writing to the log then. The second condition is for a transaction that had
taken an id, but no number yet.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db import connection

from audit_app.seal.id_ranges import from_text, to_text
from audit_app.seal.problems import SealProblem

_OBSERVE = """
    SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
           pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
           (SELECT coalesce(array_agg(DISTINCT virtualtransaction), '{}') FROM pg_locks
             WHERE relation = 'audit_app_auditlog'::regclass AND mode = 'RowExclusiveLock'
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class Observation(NamedTuple):
    """The oldest running transaction, the next one to begin, and those that write to the log."""

    xmin: int
    xmax: int
    writers: frozenset[str]


class Gap(NamedTuple):
    """A range of missing ids, with what was observed after they were missed."""

    ids: range
    xmax: int
    writers: frozenset[str]


def observe() -> Observation | None:
    """Return the running transactions; None on SQLite, where no id is waited for."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(_OBSERVE)
        xmin, xmax, writers = cursor.fetchone()
    return Observation(xmin, xmax, frozenset(writers))


def still_open(gaps: Iterable[Gap], now: Observation | None) -> list[Gap]:
    """Return the gaps that a transaction may still fill. Observe before the rows are read."""
    return [gap for gap in gaps if now and (now.xmin < gap.xmax or gap.writers & now.writers)]


def without(gaps: Iterable[Gap], found: Sequence[int]) -> list[Gap]:
    """Return the gaps without the ids that were found."""
    return [gap._replace(ids=part) for gap in gaps for part in _split(gap.ids, found)]


def _split(ids: range, found: Sequence[int]) -> list[range]:
    edges = [ids.start - 1, *(one for one in sorted(found) if one in ids), ids.stop]
    parts = [range(a + 1, b) for a, b in itertools.pairwise(edges)]
    return [part for part in parts if part]


def to_json(gaps: Iterable[Gap]) -> str:
    return json.dumps([[to_text([gap.ids]), gap.xmax, sorted(gap.writers)] for gap in gaps])


def from_json(text: str) -> list[Gap]:
    """Parse the output of `to_json`; raises SealProblem for anything else."""
    try:
        return [
            Gap(from_text(ids)[0], int(xmax), frozenset(writers))
            for ids, xmax, writers in json.loads(text)
        ]
    except (AttributeError, IndexError, RecursionError, TypeError, ValueError) as error:
        raise SealProblem("chain_broken", "The gaps of the state cannot be read.") from error

"""What a run costs for each file, in calls and statements instead of seconds.

At most 5 % above the figures below, as they were last measured. Raise one only with
a reason in the commit.
"""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.budgets import MARGIN
from tests.helpers import plant
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    last_run,
    many,
    new_key,
    settled,
    stored,
)
from uploads_app.cleanup import apply

FILES = 300
# Calls for each file on SQLite.
SCANNED, DELETED, TRASHED = 14, 678, 1_744
# Statements for each further hundred files.
DELETED_STATEMENTS, TRASHED_STATEMENTS = 3, 16

on_our_python = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="another version of Python calls functions differently"
)


@pytest.fixture(autouse=True)
def live(db: None) -> None:
    """A live file, so that store and database belong together."""
    stored()
    settled()


@on_our_python
def test_a_file_with_its_row_costs_few_calls() -> None:
    before = _calls()
    many(FILES)

    assert _calls() - before <= FILES * SCANNED * MARGIN
    assert last_run().objects_seen == FILES + 1


@on_our_python
@pytest.mark.parametrize(
    ("make", "most"),
    [(lambda: _make_due(FILES), DELETED), (lambda: _make_orphans(FILES), TRASHED)],
    ids=["deleted", "moved to the trash"],
)
def test_a_change_costs_few_calls(make: Callable[[], None], most: int) -> None:
    before = _calls()
    make()

    assert _calls() - before <= FILES * most * MARGIN
    assert last_run().removed + last_run().quarantined == FILES


@pytest.mark.both
def test_statements_grow_with_batches() -> None:
    for make, most in ((_make_due, DELETED_STATEMENTS), (_make_orphans, TRASHED_STATEMENTS)):
        make(100)
        first = _statements()
        make(200)
        assert _statements() - first <= most * MARGIN
        assert last_run().removed + last_run().quarantined == 200


@pytest.mark.both
def test_files_past_retention_are_not_searched_for_each_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(apply, "BATCH", 10)
    _make_due(40)
    with CaptureQueriesContext(connection) as queries:
        settled("--allow-share", "100")

    searches = [
        query for query in queries if "ended_at" in query["sql"] and "LIMIT" in query["sql"]
    ]
    assert len(searches) == 2  # the second finds nothing more
    assert last_run().removed == 40


def _make_due(count: int) -> None:
    many(count, ended=8 * DAY)


def _make_orphans(count: int) -> None:
    for _ in range(count):
        plant(new_key(), age=HOUR)


def _statements() -> int:
    with CaptureQueriesContext(connection) as queries:
        settled("--allow-share", "100")
    return len(queries)


def _calls() -> int:
    """Return the number of calls of a run."""
    calls = 0

    def count(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        settled("--allow-share", "100")
    finally:
        sys.setprofile(None)
    return calls

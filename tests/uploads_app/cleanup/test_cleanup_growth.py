"""Memory and queries of a run do not grow with a store without findings."""

import tracemalloc

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.helpers import SOAK
from tests.uploads_app.cleanup.cleanup_support import last_run, many, settled, stored
from uploads_app.cleanup import reconcile, upload_rows

pytestmark = [pytest.mark.both, pytest.mark.slow]

PAGE = reconcile.PAGE if SOAK else 500
SMALL = 2 * PAGE  # two pages of rows, which is what a run holds at once
LARGE = 20_000 if SOAK else 4_000


@pytest.mark.timeout(240)
def test_memory_is_constant_and_queries_grow_with_pages(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "PAGE", PAGE)
    monkeypatch.setattr(upload_rows, "PAGE", PAGE)
    stored()
    settled()
    many(SMALL - 1, per_session=10)
    small_peak, small_queries = _measured()
    many(LARGE - SMALL, per_session=10)
    large_peak, large_queries = _measured()
    assert (last_run().objects_seen, last_run().rows_seen, last_run().findings) == (
        LARGE, LARGE, {},
    )  # fmt: skip
    # Only the names of the store's folders grow; rows and objects are kept for one page.
    assert large_peak < 2 * small_peak, (small_peak, large_peak)
    assert large_queries - small_queries == (LARGE - SMALL) / PAGE


def _measured() -> tuple[int, int]:
    """Return a run's peak of memory in bytes, and its number of queries.

    The lower of two peaks: now and then an interpreter's table doubles, and that is not the run's.
    """
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        try:
            with CaptureQueriesContext(connection) as queries:
                settled("--dry-run")
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(peaks), len(queries)

"""Garbage is collected less often during a cleanup, and as often as before behind it."""

import gc
from collections.abc import Iterator

import pytest

from tests.uploads_app.cleanup.cleanup_support import cleanup, stored
from uploads_app.cleanup import reconcile


def test_a_cleanup_collects_rarely_and_the_process_as_before(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = gc.get_threshold(), []
    stored()

    def watched(*arguments: object) -> Iterator[object]:
        seen.append(gc.get_threshold()[0])
        raise OSError("The store is away.")

    monkeypatch.setattr(reconcile, "reconcile", watched)

    assert "The store does not answer" in cleanup().err
    assert seen == [10_000]
    assert gc.get_threshold() == before

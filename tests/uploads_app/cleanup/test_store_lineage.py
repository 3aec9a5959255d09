"""Two copies of one database, and a store that was set back: nothing is deleted or declared erased."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from sessions_app.tasks import forget_visitors
from tests.helpers import age_path, events, plant, started, store_root, stored_keys, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    DatabaseCopy,
    cleanup,
    last_run,
    new_key,
    settled,
    stored,
    use_store,
)
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.models import CleanupRun, QuarantinedObject, StoreState, UploadedFile

pytestmark = pytest.mark.both

Place = Callable[[], AbstractContextManager[None]]


def stop_code() -> str:
    """Run the cleanup, and return why it stopped; empty if it completed."""
    result = cleanup()
    assert result.exit_code in (0, 3), result
    assert not CleanupRun.objects.filter(removed__gt=0).exists()
    return last_run().stop_code


@pytest.mark.parametrize("stale_first", [True, False])
def test_t55_two_copies_of_one_database_stop_each_other(db: None, stale_first: bool) -> None:
    stored()
    settled()
    copy = DatabaseCopy()
    live = uploaded(started())  # an orphan to the copy
    places: list[Place] = [copy.live, nullcontext] if stale_first else [nullcontext, copy.live]
    codes: list[str] = []
    for place in places * 2:
        if codes:
            age_path(store_root() / live.key, HOUR)
        with place():
            codes.append(stop_code())
    assert codes == ["", "store_ahead", "database_forked", "database_forked"]
    assert "other copy" in what_to_do("store_ahead")
    assert live.key in stored_keys()
    assert not QuarantinedObject.objects.exists()

    assert cleanup("--adopt", "--yes").exit_code == 0
    settled()
    with copy.live():
        assert stop_code() == "store_ahead"
    assert stop_code() == "database_forked"
    assert live.key in stored_keys()


def test_t55_two_copies_that_run_at_the_same_minute_stop_before_the_first_change(
    db: None, settings: Any
) -> None:
    stored()
    settled()
    copy = DatabaseCopy()
    orphan = new_key()
    plant(orphan, age=DAY)
    codes: list[str] = []

    def run_copy(key: str) -> None:
        if not codes:
            codes.append("")
            with copy.live():
                codes[0] = stop_code()

    use_store(settings, before_list=run_copy)
    assert stop_code() == "database_forked"
    assert codes == ["database_forked"]
    assert orphan in stored_keys()


def test_t55_a_dry_run_does_not_contest_the_store(db: None) -> None:
    stored()
    settled()
    copy = DatabaseCopy()
    settled()
    marker = (store_root() / "marker.json").read_bytes()
    with copy.live():
        assert cleanup("--dry-run").exit_code == 3
    assert (store_root() / "marker.json").read_bytes() == marker
    settled()


def test_t55_runs_that_die_while_they_sign_the_store_are_no_second_database(
    db: None, settings: Any
) -> None:
    stored()
    settled()
    for _ in range(3):
        _die_while_signing(settings)
    assert len(StoreState.objects.get().lineages) == 4
    settled()
    (lineage,) = StoreState.objects.get().lineages
    StoreState.objects.update(lineages=["of the run before", lineage])  # the store was signed
    settled()
    StoreState.objects.update(generation=StoreState.objects.get().generation + 1)  # and not counted
    settled()
    assert len(StoreState.objects.get().lineages) == 1


def _die_while_signing(settings: Any) -> None:
    calls: list[str] = []

    def die(key: str) -> None:
        calls.append(key)
        # The marker is read to compare it, to sign it and to swap it; then it is written.
        if len(calls) == 4:
            raise OSError(5, "Input/output error")

    use_store(settings, before_marker=die)
    assert stop_code() == "storage_unavailable"
    use_store(settings)


@pytest.fixture
def snapshot(tmp_path: Path, db: None) -> Path:
    """An old state of the store, after one run."""
    stored()
    settled()
    copied = tmp_path / "snapshot"
    shutil.copytree(store_root(), copied)
    return copied


def set_back(snapshot: Path) -> Path:
    """Mount the snapshot instead of the store; return where the right store is."""
    right = store_root().with_name("right")
    store_root().rename(right)
    shutil.copytree(snapshot, store_root())
    return right


def mount(right: Path) -> None:
    shutil.rmtree(store_root())
    right.rename(store_root())


@pytest.mark.parametrize("runs", [1, 2])
def test_t55_a_store_that_was_set_back_stops_the_cleanup(snapshot: Path, runs: int) -> None:
    upload = stored()
    for _ in range(runs):
        settled()
    right = set_back(snapshot)
    visitor = started()
    visitor.raise_request_exception = False

    assert stop_code() == "store_behind"
    assert visitor.upload().status_code == 503
    upload.refresh_from_db()
    assert upload.status == "stored"

    mount(right)
    settled()
    assert uploaded(visitor)

    set_back(snapshot)
    assert cleanup("--adopt", "--yes").exit_code == 0
    settled()
    upload.refresh_from_db()
    assert upload.status == "missing"


def test_t55_an_erasure_does_not_finish_while_the_store_is_set_back(snapshot: Path) -> None:
    visitor = started()
    upload = uploaded(visitor)
    for _ in range(2):
        settled()
    right = set_back(snapshot)

    assert visitor.erase().status_code == 204
    forget_visitors()

    assert visitor.row.erased_at is None
    assert "session.erased" not in events(visitor.uuid)
    assert (right / upload.key).exists()
    assert not list(store_root().glob("erased/*"))

    mount(right)
    forget_visitors()
    assert visitor.row.erased_at is not None
    assert "session.erased" in events(visitor.uuid)
    assert not (store_root() / upload.key).exists()
    assert not UploadedFile.objects.filter(pk=upload.pk).exclude(status="deleted").exists()

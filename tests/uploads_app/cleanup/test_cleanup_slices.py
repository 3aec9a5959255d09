"""The scan of a store too large for one scheduled run continues in the next, and ends with the last."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.helpers import plant, store_root, stored_keys
from tests.uploads_app.cleanup.cleanup_support import (
    HOUR,
    Events,
    change,
    last_run,
    many,
    orphan,
    remove_object,
    settled,
    snapshot,
    store_contents,
    stored,
    tables,
    use_store,
)
from uploads_app.cleanup import reconcile, scan
from uploads_app.models import Finding, RunStatus, StoreState, UploadedFile, UploadStatus
from uploads_app.storage.keys import quarantine_key
from uploads_app.tasks import cleanup_orphans

pytestmark = pytest.mark.both

PAGE = 5
ORPHANS = 6


class SliceCrash(Exception):
    """Interrupts a process."""


@dataclass
class SliceScenario:
    """A store of many slices, with findings in most of them."""

    orphans: list[str]
    missing: list[UploadedFile]
    lapsed: list[UploadedFile]


@pytest.fixture
def scene(db: None, monkeypatch: pytest.MonkeyPatch) -> SliceScenario:
    """Short pages, and runs with time for one page of objects."""
    monkeypatch.setattr(reconcile, "PAGE", PAGE)
    monkeypatch.setattr(scan, "SCAN_SHARE", 1e-12)
    stored()
    many(20, per_session=1)
    missing = many(3, objects=False, per_session=1)
    return SliceScenario(
        orphans=sorted(orphan() for _ in range(ORPHANS)),
        missing=missing,
        lapsed=many(2, UploadStatus.PENDING, per_session=1),
    )


def scan_after() -> str:
    """Return how far the scan has come, empty when it is complete."""
    return StoreState.objects.get().scan_after


def run_to_the_end() -> int:
    """Start scheduled runs until a scan is complete; return how many it took."""
    for number in range(1, 50):
        cleanup_orphans()
        assert last_run().status == RunStatus.COMPLETED, last_run().stop_sentence
        if not scan_after():
            return number
    pytest.fail("the look never ends")


def without_notes() -> Any:
    """Return every table except those of a scan, and the log."""
    kept = {"uploads_app.StoreState", "uploads_app.Finding"}
    return {
        name: rows
        for name, rows in tables().items()
        if name not in kept and not name.startswith("audit_app.")
    }


def test_findings_are_applied_once_when_the_scan_is_complete(
    scene: SliceScenario,
) -> None:
    events, before = Events(), without_notes()
    store = {**store_contents(), "marker.json": None}  # every run signs the marker
    generation = StoreState.objects.get().generation
    slices = 0
    while True:
        cleanup_orphans()
        if not scan_after():
            break
        slices += 1
        run = last_run()
        assert (run.status, run.continued, run.removed, run.quarantined) == (
            RunStatus.COMPLETED, True, 0, 0,
        )  # fmt: skip
        assert run.findings == {}
        assert without_notes() == before
        assert {**store_contents(), "marker.json": None} == store
        assert StoreState.objects.get().generation == generation
    assert slices >= 4

    run = last_run()
    objects = 21 + ORPHANS
    assert (run.continued, run.objects_seen, run.rows_seen) == (True, objects, 26)
    assert run.findings == {
        "lapsed uploads": 2, "objects without a row": ORPHANS, "rows without an object": 3,
    }  # fmt: skip
    assert StoreState.objects.get().generation == generation + 1
    assert not Finding.objects.exists()
    types = [event for event in events.types() if not event.startswith("cleanup.")]
    assert types == (
        ["object.quarantined"] * ORPHANS + ["upload.lapsed"] * 2 + ["upload.missing"] * 3
    )
    assert run_to_the_end() >= 4
    assert last_run().findings == {}


def test_changes_between_the_slices_are_checked_again(scene: SliceScenario) -> None:
    cleanup_orphans()
    while not Finding.objects.filter(kind="objects without a row").exists():
        cleanup_orphans()
    recorded = Finding.objects.filter(kind="objects without a row").order_by("id")[0].key
    # Behind the scan: an orphan that only the next scan finds. Ahead: one that this scan finds.
    behind = recorded.replace(recorded[8:16], "00000000", 1)
    plant(behind, age=HOUR)
    ahead = recorded.replace(recorded[8:16], "ffffffff", 1)
    plant(ahead, age=HOUR)
    (store_root() / recorded).unlink()
    run_to_the_end()
    assert (store_root() / behind).exists()
    assert (store_root() / quarantine_key(ahead)).exists()
    assert last_run().quarantined == ORPHANS  # one has gone, one has come
    assert last_run().errors == 0
    run_to_the_end()
    assert not (store_root() / behind).exists()


def test_an_object_that_returns_before_the_end_is_not_missing(
    scene: SliceScenario,
) -> None:
    while not Finding.objects.filter(kind="rows without an object").exists():
        cleanup_orphans()
    recorded = Finding.objects.filter(kind="rows without an object")[0]
    plant(recorded.key, b"0123456789", HOUR)
    run_to_the_end()
    assert UploadedFile.objects.get(key=recorded.key).status == UploadStatus.STORED
    assert UploadedFile.objects.filter(status=UploadStatus.MISSING).count() == 2


def _crash_at(number: int) -> Callable[[str], None]:
    seen: list[str] = []

    def crash(key: str) -> None:
        seen.append(key)
        if len(seen) == number:
            raise SliceCrash

    return crash


@pytest.mark.parametrize("number", [1, 3, PAGE])
def test_a_crash_in_a_slice_loses_only_that_slice(
    scene: SliceScenario, settings: Any, number: int
) -> None:
    cleanup_orphans()
    cleanup_orphans()
    reached = scan_after()
    use_store(settings, before_list=_crash_at(number))
    with pytest.raises(SliceCrash):
        cleanup_orphans()
    assert scan_after() == reached
    assert StoreState.objects.get().lease_holder == ""
    use_store(settings)
    events = Events()
    run_to_the_end()
    run = last_run()
    assert (run.objects_seen, run.rows_seen) == (21 + ORPHANS, 26)
    assert events.types().count("object.quarantined") == ORPHANS
    assert events.types().count("upload.missing") == 3


def test_the_next_run_finishes_after_a_crash_while_applying(
    scene: SliceScenario, settings: Any
) -> None:
    use_store(settings, before_move=_crash_at(3))
    with pytest.raises(SliceCrash):
        run_to_the_end()
    use_store(settings)
    run_to_the_end()
    run_to_the_end()
    assert not set(scene.orphans) & stored_keys()
    assert all((store_root() / quarantine_key(key)).exists() for key in scene.orphans)
    events = Events()
    run_to_the_end()
    assert set(events.types()) == {"cleanup.completed"}


def test_a_manual_run_starts_a_new_scan_and_completes_it(scene: SliceScenario) -> None:
    cleanup_orphans()
    cleanup_orphans()
    begun = StoreState.objects.get().scan_id
    result = settled("--json", "--older-than", "2h")
    run = last_run()
    assert (run.objects_seen, run.rows_seen, run.continued) == (21 + ORPHANS, 26, False)
    assert "objects without a row" not in result.found
    assert scan_after() == ""
    assert StoreState.objects.get().scan_id != begun
    assert not Finding.objects.exists()
    run_to_the_end()
    assert last_run().quarantined == ORPHANS


def test_a_dry_run_does_not_affect_the_scan(scene: SliceScenario) -> None:
    cleanup_orphans()
    before = snapshot()
    settled("--dry-run")
    assert snapshot() == before


def test_unexpected_findings_are_counted_over_all_slices(
    scene: SliceScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "UNEXPECTED_FLOOR", ORPHANS)
    before = stored_keys()
    for _ in range(50):
        cleanup_orphans()
        if last_run().status == RunStatus.STOPPED:
            break
    assert last_run().stop_code == "too_many_unexpected"
    assert last_run().findings == {
        "objects without a row": ORPHANS, "rows without an object": 3,
    }  # fmt: skip
    assert stored_keys() == before
    assert scan_after() == ""
    assert not Finding.objects.exists()


def test_rows_behind_the_last_object_are_scanned(scene: SliceScenario) -> None:
    """All objects of the second half of the keys are missing, so the scan continues with rows alone."""
    lost = list(UploadedFile.objects.filter(session_id__gte="80000000-0000-4000-8000-000000000000"))
    for upload in lost:
        if (store_root() / upload.key).exists():
            remove_object(upload)
    missing = sum(upload.status == UploadStatus.STORED for upload in lost)
    missing += sum(upload.pk not in {row.pk for row in lost} for upload in scene.missing)
    change(lost[0], status=lost[0].status)
    run_to_the_end()
    assert UploadedFile.objects.filter(status=UploadStatus.MISSING).count() == missing

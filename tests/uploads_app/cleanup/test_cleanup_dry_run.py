"""A dry run reports what a run would do, the run does exactly that, and the next has nothing to do."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from tests.helpers import Visitor, plant, store_root, stored_keys, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    change,
    closed_with_object,
    deleting,
    last_run,
    new_key,
    of_session_ended,
    pending,
    quotas_fit,
    remove_object,
    settled,
    snapshot,
    store_contents,
    stored,
    use_store,
)
from tests.uploads_app.kept_scenes import scene_of
from uploads_app.models import CleanupRun, RunStatus, StoreState, UploadedFile, UploadStatus
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import quarantine_key

MINUTE = timedelta(minutes=1)


@dataclass
class DryRunScenario:
    """A store with one or two findings of every kind."""

    lapsed: list[UploadedFile]
    unfinished: list[UploadedFile]
    past: list[UploadedFile]
    late: list[UploadedFile]
    missing: UploadedFile
    found: UploadedFile
    temporary: list[str]
    orphan: str
    young: set[str]
    unknown: set[str]
    untouched: list[UploadedFile]

    @property
    def headings(self) -> dict[str, set[str]]:
        """The keys that a run must find, by kind."""
        return {
            "lapsed uploads": {upload.key for upload in self.lapsed},
            "unfinished deletions": {upload.key for upload in self.unfinished},
            "files past retention": {upload.key for upload in self.past},
            "objects of closed files": {upload.key for upload in self.late},
            "temporary files": set(self.temporary),
            "rows without an object": {self.missing.key},
            "objects that came back": {self.found.key},
            "objects without a row": {self.orphan},
            "young objects left alone": self.young,
            "unknown keys left alone": self.unknown,
        }

    @property
    def acted_on(self) -> set[str]:
        """The objects and temporary files that a run deletes or moves."""
        return self.removed | self.trashed

    @property
    def trashed(self) -> set[str]:
        """The objects that a run moves to the trash."""
        return {self.orphan, *(upload.key for upload in self.late)}

    @property
    def removed(self) -> set[str]:
        """The objects and temporary files that a run deletes."""
        rows = (*self.lapsed, *self.unfinished, *self.past)
        return {upload.key for upload in rows} | set(self.temporary)


@pytest.fixture
def scene(db: None) -> DryRunScenario:
    """A deployment with one of everything, created once for all tests."""
    return scene_of(one_of_everything)


def one_of_everything() -> DryRunScenario:
    live = stored()
    missing = stored()
    remove_object(missing)
    missing_but_young = stored(timedelta(0))
    remove_object(missing_but_young)
    young_late = closed_with_object(MINUTE)
    young_orphan = new_key()
    plant(young_orphan, age=MINUTE)
    orphan = new_key()
    plant(orphan, age=HOUR)
    unknown = {"uploads/readme.txt", f"uploads/{live.session_id}/notes.pdf", "uploads/a/b/c.pdf"}
    for key in unknown:
        plant(key, age=DAY)
    half_written = f"uploads/{live.session_id}/.{live.pk}.pdf.0123456789abcdef.part"
    plant(half_written, age=HOUR)
    plant(".clock.0123456789abcdef.part", age=HOUR)
    plant(f"uploads/{live.session_id}/.{live.pk}.pdf.fedcba9876543210.part", age=MINUTE)
    return DryRunScenario(
        lapsed=[pending(-HOUR), pending(-MINUTE, has_object=False)],
        unfinished=[deleting()],
        past=[of_session_ended(8 * DAY)],
        late=[closed_with_object(HOUR), closed_with_object(HOUR, UploadStatus.LAPSED)],
        missing=missing,
        found=change(stored(), status=UploadStatus.MISSING),
        temporary=[half_written, ".clock.0123456789abcdef.part"],
        orphan=orphan,
        young={young_late.key, young_orphan},
        unknown=unknown,
        untouched=[
            live,
            stored(timedelta(0)),
            pending(10 * MINUTE),
            missing_but_young,
            of_session_ended(6 * DAY),
            young_late,
        ],
    )


def test_a_dry_run_reports_each_finding_under_its_kind(scene: DryRunScenario) -> None:
    result = settled("--dry-run")
    assert result.headings == scene.headings
    for heading in (
        "lapsed uploads",
        "unfinished deletions",
        "files past retention",
        "temporary files",
    ):
        assert f"{len(scene.headings[heading])} {heading}, would be deleted\n" in result.out
    assert result.out.count("would be deleted") == 4
    assert "2 objects of closed files, would be moved to the trash\n" in result.out
    assert "1 objects without a row, would be moved to the trash\n" in result.out
    assert "1 rows without an object, would be marked as missing\n" in result.out
    assert result.out.splitlines()[-1].endswith("nothing changed (dry run).")
    assert result.err == ""


def test_a_dry_run_reports_the_same_as_json(scene: DryRunScenario) -> None:
    result = settled("--dry-run", "--json")
    assert result.found == scene.headings
    document = result.document
    run = last_run()
    objects = {key for key in stored_keys() if key not in scene.temporary}
    objects |= {key for key in stored_keys() if key.endswith(".part")}
    assert {**document, "findings": None} == {
        "run": run.pk,
        "status": "completed",
        "dry_run": True,
        "stop_code": None,
        "stop_sentence": None,
        "objects_seen": len(objects),
        "rows_seen": run.rows_seen,
        "removed": 0,
        "bytes_removed": 0,
        "errors": 0,
        "quarantined": 0,
        "purged": 0,
        "seconds": run.seconds,
        "rate": run.rate,
        "findings": None,
    }
    sizes = {item["key"]: item["size"] for item in document["findings"]}
    assert sizes[scene.past[0].key] == scene.past[0].size
    assert sizes[scene.orphan] == len(b"%PDF-1.4 planted")


@pytest.mark.both
@pytest.mark.parametrize("more", [[], ["--json"], ["--limit", "1"], ["--older-than", "1m"]])
def test_a_dry_run_writes_only_its_own_row(scene: DryRunScenario, more: list[str]) -> None:
    before = snapshot()
    settled("--dry-run", *more)
    assert snapshot() == before
    run = CleanupRun.objects.get()
    assert (run.status, run.dry_run, run.removed) == (RunStatus.COMPLETED, True, 0)
    assert run.generation is None
    assert run.actor.startswith("operator:")
    assert run.finished_at is not None


def test_the_run_applies_each_finding_of_the_dry_run(scene: DryRunScenario) -> None:
    dry = settled("--dry-run", "--json").document["findings"]
    objects = stored_keys() | {p.name for p in store_root().glob(".*.part")}
    rows = {upload.pk: _row(upload) for upload in scene.untouched}
    generation = StoreState.objects.get().generation
    events = Events()

    document = settled("--json").document

    assert document["findings"] == dry
    counts = (document["removed"], document["quarantined"])
    assert counts == (len(scene.removed), len(scene.trashed))
    assert document["bytes_removed"] == sum(
        item["size"] for item in dry if item["key"] in scene.removed
    )
    assert (
        stored_keys() | {p.name for p in store_root().glob(".*.part")} == objects - scene.acted_on
    )
    assert (store_root() / quarantine_key(scene.orphan)).read_bytes() == b"%PDF-1.4 planted"
    assert {upload.pk: _row(upload) for upload in scene.untouched} == rows
    for upload in scene.lapsed:
        upload.refresh_from_db()
        assert upload.status == UploadStatus.LAPSED
    for upload in (*scene.unfinished, *scene.past):
        upload.refresh_from_db()
        assert upload.status == UploadStatus.DELETED
        assert upload.deleted_at is not None
    scene.missing.refresh_from_db()
    scene.found.refresh_from_db()
    assert (scene.missing.status, scene.found.status) == (UploadStatus.MISSING, UploadStatus.STORED)
    assert quotas_fit()
    assert StoreState.objects.get().generation == generation + 1
    marker = object_store().read_marker()
    assert marker is not None
    assert marker.generation == generation + 1
    assert events.new() == sorted(_expected_events(scene), key=lambda row: row[:2])


def test_each_removal_is_recorded_once_with_the_run(scene: DryRunScenario) -> None:
    settled()
    run = last_run()
    assert run.findings == {heading: len(keys) for heading, keys in scene.headings.items()}
    assert {item["key"] for item in run.sample} == set().union(*scene.headings.values())
    assert (run.status, run.removed, run.errors) == (RunStatus.COMPLETED, len(scene.removed), 0)


def test_a_second_run_finds_nothing_to_do(scene: DryRunScenario) -> None:
    settled()
    objects = stored_keys()
    events = Events()
    result = settled("--json")
    assert set(result.found) == {"young objects left alone", "unknown keys left alone"}
    assert result.document["removed"] == 0
    assert stored_keys() == objects
    assert events.types() == ["cleanup.completed"]


def test_an_empty_deployment_has_nothing_to_do(db: None) -> None:
    result = settled("--dry-run")
    assert re.fullmatch(
        r"Nothing to do\.\n0 objects and 0 files scanned in 0\.\d s, nothing changed \(dry run\)\.\n",
        result.out,
    )
    assert store_contents() == {}
    assert not StoreState.objects.exists()
    assert settled().out.endswith(" s, 0 deleted (0\xa0bytes), 0 moved to the trash.\n")


@pytest.mark.both
@pytest.mark.parametrize("store_has_its_half", [False, True])
def test_a_dry_run_accepts_an_interrupted_claim(db: None, store_has_its_half: bool) -> None:
    """The next run completes the claim, so a dry run must not take it for a foreign store."""
    settled()
    StoreState.objects.update(generation=0)
    path = store_root() / "marker.json"
    if store_has_its_half:
        path.write_text(path.read_text().replace('"generation": 2', '"generation": 1'))
    else:
        path.unlink()
    before = snapshot()
    settled("--dry-run")
    assert snapshot() == before
    settled()
    assert StoreState.objects.get().generation == 2


def test_a_limit_leaves_the_rest_to_the_next_run(scene: DryRunScenario) -> None:
    deleted: set[str] = set()
    for acted_on in (3, 3, 3, 0):
        dry = settled("--dry-run", "--json", "--limit", "3").document["findings"]
        before = stored_keys() | {p.name for p in store_root().glob(".*.part")}
        document = settled("--json", "--limit", "3").document
        after = stored_keys() | {p.name for p in store_root().glob(".*.part")}
        promised = {item["key"] for item in dry} & scene.acted_on
        assert document["findings"] == dry
        assert document["removed"] + document["quarantined"] == acted_on == len(promised)
        assert before - after == promised & before
        deleted |= promised
    assert deleted == scene.acted_on
    assert quotas_fit()


def test_the_limit_does_not_apply_to_missing_objects(
    scene: DryRunScenario,
) -> None:
    settled("--limit", "1")
    scene.missing.refresh_from_db()
    scene.found.refresh_from_db()
    assert (scene.missing.status, scene.found.status) == (UploadStatus.MISSING, UploadStatus.STORED)


def test_a_key_with_unprintable_characters_is_reported_and_left_alone(visitor: Visitor) -> None:
    uploaded(visitor)
    folder = store_root() / "uploads"
    strange = [b"\xff.pdf", b"line\nNothing to do.", b"\x1b[2Jclear", "ünï.pdf".encode()]
    for name in strange:
        (folder / os.fsdecode(name)).write_bytes(b"?")
    result = settled()
    assert len(result.headings["unknown keys left alone"]) == 4
    assert "\x1b" not in result.out
    assert "Nothing to do.\n" not in result.out
    result.out.encode()
    assert last_run().findings == {"unknown keys left alone": 4}
    assert len(settled("--json").found["unknown keys left alone"]) == 4
    assert all((folder / os.fsdecode(name)).exists() for name in strange)


def test_a_file_deleted_during_the_listing_does_not_stop_the_run(
    visitor: Visitor, settings: Any
) -> None:
    first, second = sorted((uploaded(visitor), uploaded(visitor)), key=lambda u: u.key)

    def delete_next(key: str) -> None:
        if key == first.key:
            assert visitor.delete_upload(str(second.pk)).status_code == 204

    use_store(settings, before_list=delete_next)
    result = settled("--json")
    assert result.found == {}
    assert visitor.download(str(first.pk))


def test_an_upload_in_progress_keeps_its_temporary_file_whatever_the_grace_period(
    visitor: Visitor, settings: Any
) -> None:
    uploaded(visitor)
    store = object_store()

    def chunks() -> Iterator[bytes]:
        yield b"%PDF-1.4 first half"
        settled("--older-than", "0s")
        yield b" second half"

    store.put(key := new_key(), chunks())
    assert store.open(key).read() == b"%PDF-1.4 first half second half"


def _row(upload: UploadedFile) -> dict[str, Any]:
    return dict(UploadedFile.objects.filter(pk=upload.pk).values().get())


def _expected_events(scene: DryRunScenario) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for upload in scene.lapsed:
        yield "upload.lapsed", f"upload:{upload.pk}", {"reason": "lease"}
    for upload, reason in ((scene.unfinished[0], "visitor"), (scene.past[0], "retention")):
        yield (
            "upload.deleted",
            f"upload:{upload.pk}",
            {"reason": reason, "size": upload.size, "sha256": upload.sha256},
        )
    for key in scene.trashed:
        yield "object.quarantined", key, {"size": len(b"%PDF-1.4 planted")}
    for event, upload in (("upload.missing", scene.missing), ("upload.found", scene.found)):
        yield event, f"upload:{upload.pk}", {"size": upload.size, "sha256": upload.sha256}
    run = last_run()
    counts = {"removed": run.removed, "missing": 1, "quarantined": 3, "errors": 0}
    yield "cleanup.completed", f"cleanup_run:{run.pk}", {"run": run.pk, **counts}

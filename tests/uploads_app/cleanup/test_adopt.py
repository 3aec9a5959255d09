"""After a restore, `cleanup_orphans --adopt` loses no live file and repeats erasures."""

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from sessions_app import tasks
from tests.helpers import pdf, started, store_root, stored_keys, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    CommandResult,
    DatabaseBackup,
    Events,
    change,
    cleanup,
    clear_store,
    last_run,
    of_session_ended,
    orphan,
    quotas_fit,
    restore,
    settled,
    snapshot,
    store_contents,
    stored,
    use_store,
)
from tests.uploads_app.kept_scenes import scene_of
from uploads_app import marker
from uploads_app.models import QuarantinedObject, StoreState, UploadedFile, UploadStatus


class AdoptionCrash(Exception):
    """Interrupts an adoption."""


class RestoredDeployment:
    """A deployment with a database that was restored from a backup, and a newer store."""

    def __init__(self) -> None:
        self.anna, self.berta, self.unknown_visitor = started(), started(), started()
        self.kept = uploaded(self.anna, pdf("kept"))
        uploaded(self.unknown_visitor, pdf("erased"))
        self.pending = uploaded(self.berta, pdf("pending"))
        self.deleted = uploaded(self.berta, pdf("deleted"))
        self.past = of_session_ended(8 * DAY)
        whole = UploadedFile.objects.filter(pk=self.pending.pk).values().get()
        change(self.pending, status=UploadStatus.PENDING, sha256="", stored_at=None)
        backup = DatabaseBackup()
        self.events = Events()

        change(self.pending, **whole)
        self.new = uploaded(self.anna, pdf("new"))
        self.stranger = uploaded(started(), pdf("stranger"))
        assert self.berta.delete_upload(str(self.deleted.pk)).status_code == 204
        assert self.unknown_visitor.upload(pdf("late")).status_code == 201
        assert self.unknown_visitor.erase().status_code == 204
        self.trashed = orphan()
        settled("--upload-retention", "30d")
        backup.restore()

    def assert_whole(self) -> None:
        """Check that no live file is lost, erased sessions are erased, and the cleanup works again."""
        assert self.anna.download(str(self.kept.pk)) == pdf("kept")
        assert self.anna.download(str(self.new.pk)) == pdf("new")
        back = UploadedFile.objects.get(pk=self.new.pk)
        assert (back.name, back.status, back.sha256, back.size, back.key) == (
            "recovered.pdf", "stored", self.new.sha256, self.new.size, self.new.key,
        )  # fmt: skip
        assert self.berta.download(str(self.pending.pk)) == pdf("pending")
        finished = UploadedFile.objects.get(pk=self.pending.pk)
        assert (finished.status, finished.sha256) == ("stored", self.pending.sha256)
        assert self.unknown_visitor.row.status == "erased"
        assert self.unknown_visitor.row.erased_at is not None
        assert self.unknown_visitor.current().status_code == 401
        assert not [key for key in stored_keys() if self.unknown_visitor.uuid in key]
        assert quotas_fit()
        # The object of the unknown session is young, and no retention is over yet.
        found = settled("--json").found
        assert found == {"young objects left alone": {self.stranger.key}}
        assert (store_root() / self.past.key).exists()


@pytest.fixture
def yesterday(db: None) -> RestoredDeployment:
    return scene_of(RestoredDeployment)


PLAN = [
    "  erase 1 sessions again",
    "  restore 1 files (",
    "  complete 1 uploads that were in progress",
    "  leave 1 objects of unknown sessions where they are;",
    "  record 1 objects in the trash that the database does not know",
    "  leave 1 files without an object;",
    "  delete no file for its retention until UPLOAD_RETENTION",
]


def adopt() -> CommandResult:
    """Adopt without confirmation, and check that it succeeds."""
    result = cleanup("--adopt", "--yes")
    assert (result.exit_code, result.err) == (0, ""), result
    assert result.out.endswith(
        "Adopted. Next, run cleanup_orphans --dry-run and read its report.\n"
    )
    return result


def assert_planned(result: CommandResult) -> None:
    """Check that the plan was printed in its order."""
    lines = result.out.splitlines()
    assert lines[0].startswith("The cleanup stops because: The store is at generation ")
    assert lines[1] == "The adoption will:"
    reported_lines = lines[2 : 2 + len(PLAN)]
    assert [line[: len(begin)] for line, begin in zip(reported_lines, PLAN, strict=True)] == PLAN


@pytest.mark.parametrize(
    "options", [[], ["--dry-run"], ["--allow-share", "100", "--older-than", "0s"]], ids=str
)
def test_t55_nothing_is_deleted_beside_a_restored_database(
    yesterday: RestoredDeployment, options: list[str]
) -> None:
    before = store_contents()
    result = cleanup(*options)
    assert (result.exit_code, result.out) == (3, "")
    assert result.err.startswith("Stopped, nothing deleted: The store is at generation ")
    assert "The database was restored from a backup and does not know every file." in result.err
    assert result.err.endswith("Then run manage.py cleanup_orphans --adopt.\n")
    assert (last_run().removed, last_run().quarantined) == (0, 0)
    after = store_contents()
    if not last_run().dry_run:  # the marker says that a second database may use the store
        assert after.pop("marker.json") != before.pop("marker.json")
    assert after == before


def test_t55_a_dry_run_prints_the_plan_and_changes_nothing(yesterday: RestoredDeployment) -> None:
    before = snapshot()
    result = cleanup("--adopt", "--dry-run")
    assert snapshot() == before
    assert (result.exit_code, result.err) == (0, "")
    assert_planned(result)
    assert result.out.endswith("\nNothing was changed.\n")


@pytest.mark.parametrize("answer", ["", "\n", "yes\n", "Adopt\n"], ids=repr)
def test_t55_without_confirmation_nothing_changes(
    yesterday: RestoredDeployment, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    before = snapshot()
    result = cleanup("--adopt")
    assert snapshot() == before
    assert_planned(result)
    assert result.out.endswith("Type “adopt” to continue: Nothing was changed.\n")


def test_t55_adoption_loses_no_live_file_and_repeats_erasures(
    yesterday: RestoredDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("adopt\n"))
    events = Events()
    result = cleanup("--adopt")
    assert (result.exit_code, result.err) == (0, "")
    assert_planned(result)

    reported_events = [(event, target) for event, target, _ in events.new()]
    state = StoreState.objects.get()
    assert sorted(reported_events) == sorted(
        [
            ("object.quarantined", yesterday.trashed),
            ("session.erased", ""),
            ("session.erasure_requested", ""),
            ("system.database_adopted", f"store:{state.marker_id}"),
            ("upload.deleted", f"upload:{_erased_file(yesterday)}"),
            ("upload.restored", f"upload:{yesterday.new.pk}"),
            ("upload.restored", f"upload:{yesterday.pending.pk}"),
        ]
    )
    (adopted,) = [row for row in events.new() if row[0] == "system.database_adopted"]
    assert adopted[2] == {
        "code": "store_ahead", "generation": state.generation, "erased": 1, "recovered": 2,
    }  # fmt: skip
    yesterday.assert_whole()
    assert restore(yesterday.trashed).exit_code == 0
    assert (store_root() / yesterday.trashed).exists()


def _erased_file(yesterday: RestoredDeployment) -> Any:
    (upload,) = UploadedFile.objects.filter(session__uuid=yesterday.unknown_visitor.uuid)
    return upload.pk


def test_t55_retention_starts_again_after_an_adoption(yesterday: RestoredDeployment) -> None:
    adopt()
    settled()
    now = timezone.now()
    for ago, is_there in ((6.99, True), (7.01, False)):
        StoreState.objects.update(adopted_at=now - ago * DAY)
        settled()
        assert (store_root() / yesterday.past.key).exists() is is_there


def test_t55_files_of_an_erased_session_are_deleted_although_the_backup_has_them(
    yesterday: RestoredDeployment,
) -> None:
    """If storage failed between the erasure and the restore, bytes are left."""
    late = f"uploads/{yesterday.unknown_visitor.uuid}/{yesterday.new.pk}.pdf"
    (store_root() / late).parent.mkdir()
    (store_root() / late).write_bytes(b"%PDF-1.4 late")
    assert_planned(cleanup("--adopt", "--dry-run"))
    adopt()
    yesterday.assert_whole()
    assert QuarantinedObject.objects.get(key=late).reason == "session_erased"


@pytest.mark.both
def test_t55_adopting_again_finishes_after_a_crash_at_any_step(
    yesterday: RestoredDeployment, settings: Any
) -> None:
    """Crash at a later call of the store each time, until nothing is left to adopt."""
    crashes = 0
    for number in range(1, 100):
        calls = iter(range(1, 1000))

        def count(key: str, number: int = number, calls: Iterator[int] = calls) -> None:
            if next(calls) == number:
                raise AdoptionCrash

        use_store(
            settings, before_describe=count, before_list=count, before_delete=count,
            before_marker=count,
        )  # fmt: skip
        try:
            result = cleanup("--adopt", "--yes")
        except AdoptionCrash:
            crashes += 1
            continue
        break
    use_store(settings)
    assert result.exit_code == 0 or "(nothing_to_adopt)" in result.err
    assert crashes > 15
    types = yesterday.events.types()
    assert types.count("upload.restored") == 2
    # Once before the restore, and once after it.
    assert types.count("session.erasure_requested") == 2
    assert types.count("system.database_adopted") == 1
    tasks.forget_visitors()  # which finishes erasures that a crash cut short
    yesterday.assert_whole()


def test_there_is_nothing_to_adopt_if_store_and_database_belong_together(db: None) -> None:
    stored()
    before = snapshot()
    result = cleanup("--adopt", "--yes")
    assert (result.exit_code, result.out) == (3, "")
    assert result.err == (
        "Nothing was adopted: Store and database already belong together. (nothing_to_adopt)\n"
    )
    assert snapshot() == before


@pytest.mark.both
def test_adoption_is_refused_while_a_run_is_in_progress(yesterday: RestoredDeployment) -> None:
    assert marker.take_lease("a run")
    before = snapshot()
    result = cleanup("--adopt", "--yes")
    assert result.exit_code == 3
    assert result.err.endswith("(run_under_way)\n")
    assert snapshot() == before


@pytest.mark.parametrize("what", ["missing", "unreadable", "foreign"])
def test_t55_adoption_replaces_a_missing_or_foreign_marker(db: None, what: str) -> None:
    upload = stored()
    path = store_root() / "marker.json"
    if what == "missing":
        path.unlink()
    elif what == "unreadable":
        path.write_text("{")
    else:
        path.write_text('{"id": "another", "generation": 40}')
    assert cleanup().exit_code == 3
    adopt()
    assert StoreState.objects.get().generation == (41 if what == "foreign" else 2)
    assert settled("--json").found == {}
    assert (store_root() / upload.key).exists()


def test_t55_after_adopting_an_empty_store_files_are_missing(db: None) -> None:
    upload = stored()
    clear_store()
    assert "  leave 1 files without an object;" in cleanup("--adopt", "--dry-run").out
    adopt()
    settled()
    upload.refresh_from_db()
    assert upload.status == UploadStatus.MISSING


def test_nothing_is_adopted_if_the_store_does_not_answer(
    yesterday: RestoredDeployment, settings: Any
) -> None:
    def fail(key: str) -> None:
        raise OSError(5, "Input/output error")

    use_store(settings, before_describe=fail)
    before = snapshot()
    result = cleanup("--adopt", "--yes")
    assert (result.exit_code, result.err) == (
        3, "The store does not answer: [Errno 5] Input/output error.\n",
    )  # fmt: skip
    assert snapshot() == before

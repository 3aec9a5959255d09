"""The cleanup beside other runs, visitors and failing stores."""

import random
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F

from audit_app.models import AuditLog
from tests.helpers import (
    SOAK,
    Visitor,
    age_path,
    age_session,
    at_once,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    cleanup,
    deleting,
    last_run,
    many,
    of_session_ended,
    quotas_fit,
    settled,
    snapshot,
    stored,
    trashed_object,
    use_store,
)
from uploads_app.cleanup.run import cleanup_orphans
from uploads_app.cleanup.run_context import CleanupOptions
from uploads_app.cleanup.stop_codes import what_to_do
from uploads_app.models import (
    IN_QUOTA,
    CleanupRun,
    QuarantinedObject,
    RunStatus,
    StoreState,
    UploadedFile,
    UploadStatus,
)
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.both

REMOVED = (UploadStatus.LAPSED, UploadStatus.DELETED)


@pytest.mark.parametrize("dry_run", [False, True])
def test_t59_a_run_that_ends_while_another_starts_is_not_taken_for_a_restored_backup(
    db: None, settings: Any, dry_run: bool
) -> None:
    stored()
    settled()
    between: list[str] = []

    def run_between(key: str) -> None:
        if not between:
            between.append(key)
            settled()

    use_store(settings, before_marker=run_between)
    settled(*(["--dry-run"] * dry_run))
    assert between


def test_t59_a_run_that_has_lost_its_lease_stops(db: None, settings: Any) -> None:
    stored()
    many(520, UploadStatus.DELETING)

    def take_over(key: str) -> None:
        StoreState.objects.update(lease_holder="another run")

    use_store(settings, before_delete=take_over)
    result = cleanup()
    assert result.exit_code == 3
    assert result.err == (
        "Stopped, 500 deleted: Another run took the lease, because this run was too slow. (lease_lost)\n"
        "What to do: Nothing, if it happened once. If it repeats, check the speed of the store.\n"
    )
    assert len(result.headings["unfinished deletions"]) == 500
    assert UploadedFile.objects.filter(status=UploadStatus.DELETED).count() == 500
    assert StoreState.objects.get().lease_holder == "another run"

    use_store(settings)
    assert settled().out == "Skipped: another run is in progress.\n"
    StoreState.objects.update(lease_holder="", lease_expires_at=None)
    assert settled("--json").document["removed"] == 20
    assert UploadedFile.objects.filter(status=UploadStatus.DELETED).count() == 520


def test_t57_objects_that_the_store_does_not_delete_stay_for_the_next_run(
    db: None, settings: Any
) -> None:
    live = stored()
    purged = [trashed_object(), trashed_object()]
    QuarantinedObject.objects.update(quarantined_at=F("quarantined_at") - 8 * DAY)
    ripe = [deleting(), deleting(), of_session_ended(8 * DAY), of_session_ended(8 * DAY)]
    refused = {*(upload.key for upload in ripe[::2]), quarantine_key(purged[0])}

    def refuse(key: str) -> None:
        if key in refused:
            raise OSError(5, "Input/output error")

    use_store(settings, before_delete=refuse)
    result = cleanup()
    assert result.exit_code == 1
    assert result.err == "3 files failed. The next run tries again.\n"
    assert last_run().status == RunStatus.COMPLETED
    assert (last_run().errors, last_run().removed) == (3, 3)
    assert {path for path in _objects() if path != live.key} == refused
    assert quotas_fit()

    use_store(settings)
    settled()
    assert _objects() == {live.key}
    assert settled().out.startswith("Nothing to do.")
    _assert_removed_once(ripe)
    assert AuditLog.objects.filter(event_type="object.purged", target=purged[0]).count() == 1


def _objects() -> set[str]:
    return {path.relative_to(store_root()).as_posix() for path in store_root().rglob("*.pdf")}


@pytest.mark.slow
@pytest.mark.timeout(600 if SOAK else 120)
def test_t54_visitors_use_the_product_while_the_cleanup_runs(
    committed: None, settings: Any
) -> None:
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    rounds, visitors = (200 if SOAK else 12), 3
    promised: dict[str, tuple[Visitor, bytes]] = {}
    over: list[int] = []
    answers: list[int] = []

    def live(number: int) -> None:
        dice = random.Random(number)
        visitor = started()
        mine: dict[str, bytes] = {}
        for turn in range(rounds):
            body = pdf(f"{number} {turn}")
            response = visitor.upload(body)
            assert response.status_code == 201, response.content
            mine[response.json()["id"]] = body
            if len(mine) == 3 or dice.random() < 0.3:
                if dice.random() < 0.5:
                    old = visitor.row
                    assert visitor.reset().status_code == 201
                    age_session(old, 8 * DAY)  # so that the cleanup has something to remove
                    mine.clear()
                else:
                    assert visitor.delete_upload(mine.popitem()[0]).status_code == 204
            for upload_id, body in mine.items():
                assert visitor.download(upload_id) == body
        promised.update({upload_id: (visitor, body) for upload_id, body in mine.items()})

    def clean(number: int) -> None:
        while len(over) < visitors:
            answers.append(cleanup("--older-than", "0s").exit_code)

    def work(number: int) -> None:
        try:
            (live if number < visitors else clean)(number)
        finally:
            if number < visitors:
                over.append(number)

    at_once(visitors + 2, work)

    assert promised
    assert set(answers) == {0}, CleanupRun.objects.exclude(stop_code="").values_list(
        "stop_sentence"
    )
    for upload_id, (visitor, body) in promised.items():
        assert visitor.download(upload_id) == body
    assert not UploadedFile.objects.filter(status=UploadStatus.MISSING).exists()
    assert AuditLog.objects.filter(event_type__in=["upload.missing", "object.purged"]).count() == 0
    settled()
    rows = UploadedFile.objects.filter(status__in=IN_QUOTA)
    assert stored_keys() == {row.key for row in rows}
    assert {str(row.pk) for row in rows.filter(session__ended_at=None)} == set(promised)
    assert quotas_fit()


def test_t54_a_file_whose_row_is_created_after_the_scan_of_rows_is_live(
    db: None, settings: Any
) -> None:
    """Even if the store's clock is behind, so that its object seems old."""
    first, second = sorted((started(), started()), key=lambda visitor: visitor.uuid)
    uploaded(first)
    uploaded(second)
    new: list[UploadedFile] = []

    def upload_meanwhile(key: str) -> None:
        if first.uuid in key and not new:
            new.append(uploaded(second))
            age_path(store_root() / new[0].key, HOUR)

    use_store(settings, before_list=upload_meanwhile)
    result = settled("--json")
    assert new
    assert result.found == {}
    assert second.download(str(new[0].pk))


def test_a_run_ends_within_its_time_and_the_next_continues(db: None) -> None:
    for _ in range(5):
        deleting()
    events = Events()
    run = cleanup_orphans(CleanupOptions(grace=timedelta(minutes=30), seconds=0))
    assert (run.status, run.removed, run.findings) == (RunStatus.COMPLETED, 0, {})
    assert events.types() == ["cleanup.completed"]
    assert settled("--json").document["removed"] == 5


def test_a_dry_run_without_time_for_the_whole_scan_stops(db: None) -> None:
    stored()
    many(5, UploadStatus.PENDING)
    before = snapshot()
    run = cleanup_orphans(CleanupOptions(grace=timedelta(minutes=30), seconds=0, dry_run=True))
    assert (run.status, run.stop_code, run.removed) == (RunStatus.STOPPED, "out_of_time", 0)
    assert run.stop_sentence == "The store could not be scanned within 0 seconds."
    assert "--dry-run by hand" in what_to_do(run.stop_code)
    assert snapshot() == before
    assert settled("--json").document["removed"] == 5


def _assert_removed_once(uploads: list[UploadedFile]) -> None:
    for upload in uploads:
        upload.refresh_from_db()
        assert upload.status in REMOVED
        ends = AuditLog.objects.filter(
            target=f"upload:{upload.pk}", event_type__in=["upload.lapsed", "upload.deleted"]
        )
        assert ends.count() == 1
        assert not (store_root() / upload.key).exists()

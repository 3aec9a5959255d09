"""When the cleanup removes a file: just under, exactly at and just over each time limit."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from tests.helpers import age_path, plant, started, store_root, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    change,
    cleanup,
    closed_with_object,
    last_run,
    new_key,
    of_session_ended,
    pending,
    quotas_fit,
    remove_object,
    settled,
    snapshot,
    stored,
)
from uploads_app import marker
from uploads_app.models import StoreState, UploadStatus
from uploads_app.storage.keys import quarantine_key

SECOND = timedelta(seconds=1)
# More than a slow machine needs from creating a row to scanning it.
SLACK = 20 * SECOND
GRACE = timedelta(minutes=30)
LEASE = timedelta(minutes=15)
RETENTION = 7 * DAY

# The database's clock has advanced when the run scans, so "exactly" is over by then.
around = pytest.mark.parametrize(
    ("off", "over"),
    [(-SLACK, False), (timedelta(0), True), (SECOND, True)],
    ids=["just under", "exactly", "just over"],
)


@pytest.mark.both
@around
def test_an_upload_lapses_when_its_lease_is_over(db: None, off: timedelta, over: bool) -> None:
    upload, arrived = pending(-off), pending(-off, has_object=True)
    settled()
    upload.refresh_from_db()
    assert upload.status == (UploadStatus.LAPSED if over else UploadStatus.PENDING)
    arrived.refresh_from_db()
    assert arrived.status == (UploadStatus.STORED if over else UploadStatus.PENDING)
    assert (store_root() / arrived.key).exists()
    assert quotas_fit()


def test_a_lease_that_is_renewed_in_time_keeps_an_upload_of_any_age(db: None) -> None:
    upload = change(pending(timedelta(minutes=1)), created_at=timezone.now() - 3 * DAY)
    settled()
    upload.refresh_from_db()
    assert upload.status == UploadStatus.PENDING


@around
def test_files_of_an_ended_session_are_kept_for_the_retention(
    db: None, off: timedelta, over: bool
) -> None:
    upload = of_session_ended(RETENTION + off)
    events = Events()
    settled()
    upload.refresh_from_db()
    assert upload.status == (UploadStatus.DELETED if over else UploadStatus.STORED)
    assert (store_root() / upload.key).exists() is not over
    assert ("upload.deleted" in events.types()) is over
    assert quotas_fit()


def test_a_file_of_a_live_session_is_kept_at_any_age(db: None) -> None:
    upload = stored(400 * DAY)
    assert settled("--json").found == {}
    assert (store_root() / upload.key).exists()


@around
def test_a_late_object_goes_to_the_trash_after_the_grace_period(
    db: None, off: timedelta, over: bool
) -> None:
    upload = closed_with_object(GRACE + off)
    settled()
    assert (store_root() / upload.key).exists() is not over
    assert (store_root() / quarantine_key(upload.key)).exists() is over


@around
def test_an_object_without_a_row_is_young_within_the_grace_period(
    db: None, off: timedelta, over: bool
) -> None:
    stored()
    path = plant(key := new_key(), age=GRACE + off)
    heading = "objects without a row" if over else "young objects left alone"
    assert settled("--json").found == {heading: {key}}
    assert path.exists() is not over
    assert (store_root() / quarantine_key(key)).exists() is over


@around
def test_a_row_without_an_object_is_missing_after_the_grace_period(
    db: None, off: timedelta, over: bool
) -> None:
    upload = stored(GRACE + off)
    remove_object(upload)
    settled()
    upload.refresh_from_db()
    assert upload.status == (UploadStatus.MISSING if over else UploadStatus.STORED)
    assert quotas_fit()


@around
@pytest.mark.parametrize("folder", ["", "uploads/{session}/"], ids=["store", "session"])
def test_a_temporary_file_is_deleted_after_the_grace_period(
    db: None, folder: str, off: timedelta, over: bool
) -> None:
    upload = stored()
    name = f"{folder.format(session=upload.session_id)}.half.pdf.0123456789abcdef.part"
    path = plant(name, age=GRACE + off)
    settled()
    assert path.exists() is not over


@around
@pytest.mark.parametrize("older_than", [timedelta(hours=2), timedelta(minutes=5)], ids=str)
def test_older_than_replaces_the_grace_period(
    db: None, older_than: timedelta, off: timedelta, over: bool
) -> None:
    upload = closed_with_object(older_than + off)
    settled("--older-than", f"{older_than.total_seconds():.0f}s")
    assert (store_root() / upload.key).exists() is not over
    assert last_run().grace == older_than


@around
def test_a_temporary_file_is_kept_for_a_lease_whatever_the_grace_period(
    db: None, off: timedelta, over: bool
) -> None:
    stored()
    path = plant(".half.0123456789abcdef.part", age=LEASE + off)
    settled("--older-than", "0s")
    assert path.exists() is not over


@pytest.mark.both
@around
def test_a_run_is_skipped_while_another_has_the_lease(db: None, off: timedelta, over: bool) -> None:
    upload = pending(-HOUR)
    assert marker.take_lease("another run")
    StoreState.objects.update(lease_expires_at=timezone.now() - off)
    before = snapshot()
    result = cleanup()
    assert result.exit_code == 0
    upload.refresh_from_db()
    if over:
        assert upload.status == UploadStatus.LAPSED
        assert StoreState.objects.get().lease_holder == ""
    else:
        assert result.out == "Skipped: another run is in progress.\n"
        assert snapshot() == before
        assert cleanup("--json").document["status"] == "skipped"
        assert cleanup("--dry-run").headings == {"lapsed uploads": {upload.key}}


def test_unknown_keys_are_left_alone_at_any_age(db: None) -> None:
    upload = stored()
    session, own = str(upload.session_id), str(upload.pk)
    keys = {
        "uploads/file.pdf",
        f"uploads/{session}/{own}",
        f"uploads/{session}/{own}.PDF",
        f"uploads/{session}/{own}.toolongext",
        f"uploads/{session}/{own}.pdf.bak",
        f"uploads/{session}/deeper/{own}.pdf",
        f"uploads/{session.upper()}/{own}.pdf",
        f"uploads/{session}/{own[:14]}1{own[15:]}.pdf",
        f"uploads/{session.replace('-', '')}/{own}.pdf",
        f"uploads/{session}/ {own}.pdf",
    }
    paths: list[Path] = [plant(key, age=400 * DAY) for key in keys]
    result = settled("--json")
    assert result.found == {"unknown keys left alone": keys}
    assert all(path.exists() for path in paths)


def test_an_object_under_a_wrong_name_is_not_its_rows_object(db: None) -> None:
    """The same ids with another extension have no row, before and after it in the order of keys."""
    upload = stored()
    others = {upload.key.replace(".pdf", ending) for ending in (".aaa", ".zzz")}
    for key in others:
        plant(key, age=HOUR)
    assert settled("--json").found == {"objects without a row": others}


def test_objects_outside_uploads_are_not_scanned(db: None) -> None:
    upload = uploaded(started())
    paths = [plant("notes.txt", age=DAY), plant("backup/uploads/x.pdf", age=DAY)]
    age_path(store_root() / "marker.json", 400 * DAY)
    assert settled("--json").found == {}
    assert all(path.exists() for path in (*paths, store_root() / upload.key))

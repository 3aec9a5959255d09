"""Orphans: left alone while young, moved to the trash, restored, purged (threats, row 62)."""

import hashlib
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.helpers import SOAK, age_path, pdf, plant, started, store_root, stored_keys, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    Events,
    change,
    cleanup,
    last_run,
    new_key,
    orphan,
    remove_object,
    restore,
    settled,
    snapshot,
    stored,
    trashed_object,
    use_store,
)
from uploads_app.models import QuarantinedObject, UploadedFile, UploadStatus
from uploads_app.storage.keys import object_key, quarantine_key

pytestmark = pytest.mark.both

BODY = b"%PDF-1.4 nobody knows me"
SIZE = {"size": len(BODY)}
SLACK = timedelta(seconds=20)


@pytest.fixture(autouse=True)
def live(db: None) -> UploadedFile:
    """A live file, so that store and database belong together."""
    return stored()


def kept(key: str) -> bytes | None:
    """Return the bytes of a key in the trash."""
    path = store_root() / quarantine_key(key)
    return path.read_bytes() if path.exists() else None


def row(key: str) -> tuple[str, str]:
    """Return the status and the reason of a trash entry."""
    orphan = QuarantinedObject.objects.get(key=key)
    return orphan.status, orphan.reason


def acts(events: Events) -> list[tuple[str, str, dict[str, Any]]]:
    """Return the events except those of runs."""
    return [event for event in events.new() if not event[0].startswith("cleanup.")]


def test_t62_an_orphan_is_left_alone_while_young_and_then_moved_to_the_trash() -> None:
    key = orphan(timedelta(minutes=10), BODY)
    events = Events()
    settled()
    assert (store_root() / key).read_bytes() == BODY
    assert not QuarantinedObject.objects.exists()

    age_path(store_root() / key, HOUR)
    document = settled("--json").document
    assert (document["quarantined"], document["removed"], document["errors"]) == (1, 0, 0)
    assert not (store_root() / key).exists()
    assert kept(key) == BODY
    assert row(key) == ("quarantined", "no_row")
    assert acts(events) == [("object.quarantined", key, SIZE)]
    settled()
    assert acts(events) == [("object.quarantined", key, SIZE)]


def test_t62_an_object_in_the_trash_can_be_restored_and_is_then_left_alone() -> None:
    key = trashed_object(6 * DAY, BODY)
    events = Events()
    result = restore(key)
    assert (result.exit_code, result.out, result.err) == (0, "1 of 1 objects restored.\n", "")
    assert (store_root() / key).read_bytes() == BODY
    assert kept(key) is None
    assert row(key)[0] == "restored"
    assert acts(events) == [("object.restored", key, SIZE)]

    QuarantinedObject.objects.update(quarantined_at=timezone.now() - 100 * DAY)
    age_path(store_root() / key, 100 * DAY)
    for _ in range(2):
        assert settled("--json").found == {"restored objects left alone": {key}}
    assert (store_root() / key).read_bytes() == BODY
    assert acts(events) == [("object.restored", key, SIZE)]


@pytest.mark.parametrize(
    ("off", "over"), [(-SLACK, False), (SLACK, True)], ids=["just under", "just over"]
)
def test_t62_an_object_in_the_trash_is_purged_after_the_retention(
    off: timedelta, over: bool
) -> None:
    key = trashed_object(7 * DAY + off, BODY)
    events = Events()
    result = settled("--json")
    if not over:
        assert result.found == {}
        assert kept(key) == BODY
        return
    assert result.found == {"objects past quarantine": {key}}
    assert (result.document["purged"], result.document["removed"]) == (1, 1)
    assert kept(key) is None
    assert row(key) == ("purged", "quarantine_over")
    assert acts(events) == [("object.purged", key, {"reason": "quarantine_over", **SIZE})]
    before = snapshot()
    result = restore(key)
    assert (result.exit_code, result.out) == (1, "0 of 1 objects restored.\n")
    assert result.err == f"{key}: It is not in the trash.\n"
    assert snapshot() == before
    assert settled().out.startswith("Nothing to do.")


@pytest.mark.slow
def test_t62_many_objects_are_restored_with_equal_bytes() -> None:
    hashes = {}
    for number in range(1000 if SOAK else 50):
        body = b"%PDF-1.4 " + str(number).encode() * 50
        hashes[orphan(body=body)] = hashlib.sha256(body).hexdigest()
    settled("--allow-share", "100")
    assert last_run().quarantined == len(hashes)
    assert not hashes.keys() & stored_keys()
    events = Events()
    assert restore("--all").out == f"{len(hashes)} of {len(hashes)} objects restored.\n"
    back = {key: hashlib.sha256((store_root() / key).read_bytes()).hexdigest() for key in hashes}
    assert back == hashes
    assert events.types() == ["object.restored"] * len(hashes)


def test_an_object_whose_key_is_taken_stays_in_the_trash() -> None:
    key = trashed_object(body=BODY)
    plant(key, b"%PDF-1.4 another", HOUR)
    before = snapshot()
    result = restore(key)
    assert result.exit_code == 1
    assert result.err.startswith(f"{key}: Another object has its key")
    assert _without_times(snapshot()) == _without_times(before)

    # An object that a person copied to its key does not replace the one in the trash.
    assert settled("--json").found == {"restored objects left alone": {key}}
    assert kept(key) == BODY
    QuarantinedObject.objects.update(quarantined_at=timezone.now() - 8 * DAY)
    settled()
    settled()
    assert kept(key) == b"%PDF-1.4 another"
    assert row(key)[0] == "quarantined"


def test_restoring_an_object_that_is_missing_from_the_trash_fails() -> None:
    key = trashed_object(body=BODY)
    (store_root() / quarantine_key(key)).unlink()
    result = restore(key)
    assert (result.exit_code, result.out) == (1, "0 of 1 objects restored.\n")
    assert result.err == f"{key}: Its bytes are missing from the trash.\n"
    assert row(key)[0] == "quarantined"
    QuarantinedObject.objects.update(quarantined_at=timezone.now() - 8 * DAY)
    settled()
    assert row(key)[0] == "purged"


def test_an_object_of_an_erased_session_is_not_restored() -> None:
    visitor = started()
    key = object_key(uuid.UUID(visitor.uuid), uuid.uuid4(), "pdf")
    plant(key, BODY, HOUR)
    settled()
    assert visitor.erase().status_code == 204
    before = snapshot()
    result = restore(key)
    assert (result.exit_code, result.out) == (1, "0 of 1 objects restored.\n")
    assert result.err == f"{key}: The session that it belongs to has been erased.\n"
    assert snapshot() == before


def test_a_restoration_ends_with_the_deletion_of_the_file_that_claimed_its_object() -> None:
    """A copy that comes back later is an orphan again, and does not stay for good."""
    visitor = started()
    upload = uploaded(visitor)
    path, body = store_root() / upload.key, pdf()
    UploadedFile.objects.filter(pk=upload.pk).delete()  # by hand
    age_path(path, HOUR)
    settled()
    assert restore(upload.key).exit_code == 0
    upload.save(force_insert=True)  # by hand
    settled()
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    assert not path.exists()

    age_path(plant(upload.key, body), HOUR)
    settled()

    assert kept(upload.key) == body
    assert row(upload.key)[0] == "quarantined"


def test_keys_that_are_not_in_the_trash_are_refused_and_the_others_restored() -> None:
    key, stranger = trashed_object(), new_key()
    result = restore(stranger, key)
    assert (result.exit_code, result.out) == (1, "1 of 2 objects restored.\n")
    assert result.err == f"{stranger}: It is not in the trash.\n"
    assert (store_root() / key).exists()


def test_a_row_that_is_created_in_the_meantime_keeps_its_object(settings: Any) -> None:
    """A file whose upload started after the rows were read is not an orphan."""
    visitor = started()
    upload_id = uuid.uuid4()
    key = object_key(visitor.row.uuid, upload_id, "pdf")
    plant(key, BODY, HOUR)

    def explain(place: str) -> None:
        other = UploadedFile.objects.first()
        assert other is not None
        if not UploadedFile.objects.filter(pk=upload_id).exists():
            other.pk, other.session, other.key = upload_id, visitor.row, key
            other.save(force_insert=True)

    use_store(settings, before_list=explain)
    events = Events()
    settled()
    assert (store_root() / key).read_bytes() == BODY
    assert acts(events) == []


def test_the_next_run_finishes_a_move_that_failed(settings: Any) -> None:
    key = orphan(body=BODY)

    def fail(place: str) -> None:
        raise OSError(5, "Input/output error")

    use_store(settings, before_move=fail)
    events = Events()
    assert cleanup().exit_code == 1
    assert (store_root() / key).read_bytes() == BODY
    assert acts(events) == []
    use_store(settings)
    assert settled("--json").found == {"unfinished moves": {key}}
    assert kept(key) == BODY
    assert acts(events) == [("object.quarantined", key, SIZE)]

    use_store(settings, before_move=fail)
    assert restore(key).exit_code == 1
    assert kept(key) == BODY
    use_store(settings)
    assert settled("--json").found == {"unfinished moves": {key}}
    assert (store_root() / key).read_bytes() == BODY
    assert [event for event, _, _ in acts(events)] == ["object.quarantined", "object.restored"]


def test_an_object_that_vanishes_before_its_move_is_recorded_as_purged(settings: Any) -> None:
    key = orphan(body=BODY)

    def vanish(place: str) -> None:
        (store_root() / key).unlink(missing_ok=True)

    use_store(settings, before_move=vanish)
    events = Events()
    settled()
    assert row(key) == ("purged", "gone")
    assert acts(events) == [("object.purged", key, {"reason": "gone", **SIZE})]


def test_a_file_goes_missing_and_comes_back_with_one_event_each_time(live: UploadedFile) -> None:
    body = (store_root() / live.key).read_bytes()
    events = Events()
    for _ in range(2):
        remove_object(live)
        for _ in range(2):
            settled()
        live.refresh_from_db()
        assert live.status == UploadStatus.MISSING
        plant(live.key, body)
        for _ in range(2):
            settled()
        live.refresh_from_db()
        assert live.status == UploadStatus.STORED
    assert sorted(event for event, _, _ in acts(events)) == [
        "upload.found", "upload.found", "upload.missing", "upload.missing",
    ]  # fmt: skip


def test_a_file_that_staff_quarantined_is_not_an_orphan(live: UploadedFile) -> None:
    change(live, status=UploadStatus.QUARANTINED)
    assert settled("--json").found == {}
    assert (store_root() / live.key).exists()


def _without_times(taken: tuple[Any, Any]) -> tuple[Any, Any]:
    tables, store = taken
    trash_items = tables["uploads_app.QuarantinedObject"]
    return {**tables, "uploads_app.QuarantinedObject": [
        orphan | {"changed_at": None} for orphan in trash_items
    ]}, store  # fmt: skip

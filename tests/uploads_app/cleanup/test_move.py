"""`manage.py move_storage` moves every file to another store while visitors use the product.

Every live file is served with the same bytes before, at each named moment of the
move, and after. A file that is deleted during the move is in neither store.
Disk to S3 and S3 to disk, with a real SeaweedFS.
"""

import uuid
from collections.abc import Callable

import pytest
from django.core.files.storage import storages

from tests.helpers import Visitor, events, started
from tests.uploads_app.cleanup.cleanup_support import Events, cleanup, settled
from tests.uploads_app.cleanup.moving_support import (
    MOMENTS,
    Relocation,
    both_ways,
    folders,
    move,
    moved,
    on,
)
from uploads_app.models import QuarantinedObject, TrashStatus, UploadedFile, UploadStatus
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.django_db


def at_each_moment(
    relocation: Relocation, act: Callable[[UploadedFile], None]
) -> dict[str, UploadedFile]:
    """Move a file for each moment and call `act` on it then. Checks that every live file is served.

    Returns the files by moment.
    """
    files = {moment: relocation.upload(moment) for moment in MOMENTS}
    relocation.during()
    met = []

    def happen(moment: str) -> Callable[[str], None]:
        def at(key: str) -> None:
            if key != files[moment].key:
                return
            hooks = dict(on)
            on.clear()  # what visitors do has no moments
            act(files[moment])
            relocation.assert_served()
            on.update(hooks)
            met.append(on.pop(moment))

        return at

    on.update({moment: happen(moment) for moment in MOMENTS})
    result = move()
    assert result.exit_code == 0, result
    assert len(met) == len(MOMENTS)
    return files


@both_ways
def test_files_are_served_before_during_and_after(relocation: Relocation) -> None:
    old = relocation.upload("taken before")
    relocation.assert_served()
    relocation.during()
    relocation.assert_served()
    relocation.upload("taken with both set")

    first = moved()
    relocation.upload("taken between two runs")

    assert first["moved"] == 1
    assert first["bytes_moved"] == old.size
    assert first["next_step"].startswith("The previous store contains none of our files")
    assert moved()["moved"] == 0
    relocation.assert_moved()


@both_ways
def test_t54_visitors_read_and_upload_at_every_moment_of_a_move(relocation: Relocation) -> None:
    def upload_another(upload: UploadedFile) -> None:
        relocation.upload(f"beside {upload.pk}")

    at_each_moment(relocation, upload_another)

    assert len(relocation.bodies) == 2 * len(MOMENTS)
    assert moved()["moved"] == 0
    relocation.assert_moved()


@pytest.mark.both
@both_ways
def test_t54_a_file_deleted_at_any_moment_of_a_move_is_in_neither_store(
    relocation: Relocation,
) -> None:
    def delete(upload: UploadedFile) -> None:
        visitor = relocation.forget(upload)
        assert visitor.delete_upload(str(upload.pk)).status_code == 204

    kept = relocation.upload("kept")
    files = at_each_moment(relocation, delete)

    for upload in files.values():
        upload.refresh_from_db()
        assert upload.status == UploadStatus.DELETED
        assert events(upload.session_id).count("upload.deleted") == 1
    assert list(relocation.bodies) == [str(kept.pk)]
    relocation.assert_moved()


@folders
def test_t54_a_file_erased_at_any_moment_of_a_move_is_in_neither_store(
    relocation: Relocation,
) -> None:
    def erase(upload: UploadedFile) -> None:
        assert relocation.forget(upload).erase().status_code == 204

    files = at_each_moment(relocation, erase)

    for upload in files.values():
        upload.refresh_from_db()
        assert (upload.status, upload.name) == (UploadStatus.DELETED, "")
        assert events(upload.session_id)[-1] == "session.erased"
    relocation.assert_moved()


@folders
def test_t59_a_move_and_a_cleanup_never_run_at_the_same_time(
    relocation: Relocation,
) -> None:
    def clean(upload: UploadedFile) -> None:
        assert cleanup().out == "Skipped: another run is in progress.\n"
        assert move().out.startswith("Skipped: the cleanup or another move is running.")

    at_each_moment(relocation, clean)

    settled()
    assert UploadedFile.objects.filter(status=UploadStatus.STORED).count() == len(MOMENTS)
    relocation.assert_moved()


@both_ways
def test_t54_a_file_that_is_moved_while_it_is_opened_is_found(
    relocation: Relocation,
) -> None:
    """The reader did not find it in the current store, and then it has left the previous store."""
    upload = relocation.upload("read just now")
    relocation.during()

    def take_over(key: str) -> None:
        on.clear()
        assert moved()["moved"] == 1

    on["previous before open"] = take_over
    relocation.assert_served()

    assert on == {}
    assert relocation.hashes("uploads_current") == {upload.key: upload.sha256}


@both_ways
def test_t54_the_cleanup_between_two_runs_sees_both_stores(relocation: Relocation) -> None:
    for number in range(4):
        relocation.upload(f"file {number}")
    relocation.during()
    assert moved("--limit", "2")["next_step"] == (
        "Still in the previous store: 2 to be moved. Run this command again."
    )

    result = cleanup("--json", "--older-than", "0s")

    assert result.exit_code == 0, result
    assert (result.document["objects_seen"], result.document["rows_seen"]) == (4, 4)
    assert result.document["findings"] == []
    relocation.assert_served()
    assert moved()["moved"] == 2
    settled("--older-than", "0s")
    relocation.assert_moved()
    result = cleanup("--json", "--older-than", "0s")
    assert result.document["findings"] == []


@both_ways
def test_an_object_in_both_stores_is_moved_once(relocation: Relocation) -> None:
    """A run that dies after its copy leaves two objects."""
    keys = sorted(relocation.upload(f"file {number}").key for number in range(3))
    relocation.during()
    with storages["uploads_previous"].open(keys[1]) as original:
        storages["uploads_current"].put(keys[1], [original.read()])  # type: ignore[attr-defined]

    assert [found.key for found in object_store().list_objects()] == keys
    assert [found.key for found in object_store().list_objects(after=keys[0])] == keys[1:]


@both_ways
def test_the_trash_is_moved_and_works_during_the_move(
    relocation: Relocation,
) -> None:
    relocation.upload("beside them")
    store, keys = object_store(), [f"uploads/{uuid.uuid4()}/{uuid.uuid4()}.pdf" for _ in range(3)]
    for key in keys:
        store.put(key, [key.encode()])
    QuarantinedObject.objects.bulk_create(
        QuarantinedObject(
            key=key, size=1, modified_at=store.clock(), status=TrashStatus.QUARANTINED
        )
        for key in keys
    )
    store.move(keys[0], quarantine_key(keys[0]))
    relocation.during()
    object_store().move(keys[1], quarantine_key(keys[1]))

    # Staff restore the first object while it is copied.
    def give_back(key: str) -> None:
        if key == quarantine_key(keys[0]):
            among = QuarantinedObject.objects.filter(key=keys[0])
            among.update(status=TrashStatus.RESTORING)
            object_store().move(key, keys[0])
            among.update(status=TrashStatus.RESTORED)

    on["current inside put"] = give_back
    assert move().exit_code == 0
    on.clear()
    assert move().exit_code == 0

    assert set(relocation.hashes("uploads_previous")) == set()
    kept = set(relocation.hashes("uploads_current"))
    assert kept >= {keys[0], quarantine_key(keys[1]), keys[2]}
    assert kept.isdisjoint({quarantine_key(keys[0]), keys[1], quarantine_key(keys[2])})
    object_store().move(quarantine_key(keys[1]), keys[1])
    with object_store().open(keys[1]) as file:
        assert file.read() == keys[1].encode()


def test_a_key_in_the_previous_store_is_not_written_again(relocation: Relocation) -> None:
    kept = relocation.upload("held")
    relocation.during()

    with pytest.raises(FileExistsError):
        object_store().put(kept.key, [b"other bytes"])

    relocation.assert_served()
    assert relocation.hashes("uploads_current") == {}


@both_ways
def test_t55_the_marker_is_copied(relocation: Relocation) -> None:
    relocation.upload("first")
    settled()
    marker = object_store().read_marker()
    relocation.during()
    assert object_store().read_marker() == marker

    moved()

    relocation.before()
    assert object_store().read_marker() == marker
    relocation.after()
    assert object_store().read_marker() == marker
    settled()
    relocation.during()
    settled()
    assert marker is not None
    for alone in (relocation.after, relocation.before):
        alone()
        copied = object_store().read_marker()
        assert copied
        assert (copied.id, copied.generation) == (marker.id, marker.generation + 2)


def test_a_dry_run_reports_what_would_be_moved_and_moves_nothing(relocation: Relocation) -> None:
    size = sum(relocation.upload(f"file {number}").size for number in range(2))
    relocation.during()
    kept, written = relocation.hashes("uploads_previous"), Events()

    document = moved("--dry-run")

    assert document["after"]["ours"] == {"objects": 2, "bytes": size}
    assert document["next_step"].startswith("2 files would be moved, ")
    assert relocation.hashes("uploads_previous") == kept
    assert relocation.hashes("uploads_current") == {}
    assert written.new() == []


def test_a_move_is_recorded(relocation: Relocation) -> None:
    upload = relocation.upload("moved")
    relocation.during()
    written = Events()

    moved()

    assert written.new() == [
        ("storage.move_began", "", {"objects": 1, "bytes": upload.size}),
        (
            "storage.move_completed",
            "",
            {"moved": 1, "bytes": upload.size, "errors": 0, "left": 0},
        ),
    ]


def test_without_a_previous_store_there_is_nothing_to_move(visitor: Visitor) -> None:
    written = Events()

    result = move()

    assert result.exit_code == 2
    assert result.err.startswith("STORAGE_PREVIOUS_URL is not set")
    assert written.new() == []


def test_a_deployment_without_files_can_move(relocation: Relocation) -> None:
    relocation.during()

    assert moved()["moved"] == 0

    relocation.after()
    relocation.upload("the first of all")
    settled()
    assert started().start().status_code == 200

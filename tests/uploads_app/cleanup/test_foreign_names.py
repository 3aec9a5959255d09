"""Files, links and folders that other programs put into the store are reported and left alone."""

import os
from pathlib import Path

import pytest

from tests.helpers import age_path, plant, store_root
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    HOUR,
    change,
    cleanup,
    deleting,
    new_key,
    orphan,
    pending,
    remove_object,
    settled,
    stored,
)
from uploads_app.models import QuarantinedObject, UploadedFile, UploadStatus

TARGET = b"%PDF-1.4 not in the store"


@pytest.fixture
def target(db: None, tmp_path: Path) -> Path:
    """A file outside the store, to which links in the store point."""
    stored()
    path = tmp_path / "outside.pdf"
    path.write_bytes(TARGET)
    age_path(path, 30 * DAY)
    return path


def link(key: str, target: Path) -> Path:
    path = store_root() / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)
    os.utime(path, (0, 0), follow_symlinks=False)
    return path


@pytest.mark.parametrize(
    "name", [".notes.part", ".film.mkv.part", ".download.0123456789ABCDEF.part", "..part"]
)
def test_partial_files_of_other_programs_are_left_alone(target: Path, name: str) -> None:
    session = new_key().rpartition("/")[0]
    paths = [plant(f"{folder}{name}", age=DAY) for folder in ("", f"{session}/", "erased/")]
    assert settled("--json").found == {"unknown keys left alone": {f"{session}/{name}"}}
    assert all(path.exists() for path in paths)


def test_links_are_not_followed_or_removed(target: Path) -> None:
    """At the key of an orphan, of files in each state, in the trash, and as a partial file."""
    uploads = [stored(), pending(-HOUR), change(stored(), status=UploadStatus.MISSING)]
    keys = [new_key(), f"quarantine/{new_key()}", *(upload.key for upload in uploads)]
    links = [link(key, target) for key in keys]
    links.append(link(".half.0123456789abcdef.part", target))
    settled()
    found = settled("--json").found
    assert found == {"unknown keys left alone": set(keys)}
    assert target.read_bytes() == TARGET
    assert all(path.is_symlink() for path in links)
    assert not QuarantinedObject.objects.exists()
    statuses = [UploadedFile.objects.get(pk=upload.pk).status for upload in uploads]
    assert statuses == ["stored", "lapsed", "missing"]


def test_a_file_behind_a_link_is_not_recorded_as_deleted(target: Path) -> None:
    upload = deleting()
    link(upload.key, target)
    inner = deleting()
    folder = (store_root() / inner.key).parent
    moved = folder.rename(target.parent / "elsewhere")
    folder.symlink_to(moved)
    result = cleanup()
    assert (result.exit_code, result.err) == (1, "2 files failed. The next run tries again.\n")
    assert (target.read_bytes(), len(list(moved.iterdir()))) == (TARGET, 1)
    assert UploadedFile.objects.deleting().count() == 2
    (store_root() / upload.key).unlink()
    folder.unlink()
    settled()
    assert not UploadedFile.objects.deleting().exists()


def test_a_folder_at_the_key_of_an_object_is_not_an_object(target: Path) -> None:
    rows = {"deleting": deleting(), "stored": stored(), "pending": pending(-HOUR, True)}
    for upload in rows.values():
        remove_object(upload)
        (store_root() / upload.key).mkdir(parents=True)
    full = store_root() / new_key()
    plant(f"{full.relative_to(store_root())}/inner.pdf", age=DAY)
    ends = {"deleting": "deleted", "stored": "missing", "pending": "lapsed"}
    settled()
    for name, upload in rows.items():
        upload.refresh_from_db()
        assert upload.status == ends[name]
        assert (store_root() / upload.key).is_dir()
    folders = {f"{upload.key}/" for upload in rows.values()}
    inner = f"{full.relative_to(store_root())}/inner.pdf"
    assert settled("--json").found == {"unknown keys left alone": {*folders, inner}}


def test_a_link_is_not_moved_to_another_store_or_out_of_the_trash(target: Path) -> None:
    key = orphan()
    settled()
    link(f"quarantine/{key}", target)
    QuarantinedObject.objects.update(status="restoring")
    assert cleanup().exit_code == 1
    assert (store_root() / f"quarantine/{key}").is_symlink()
    assert not (store_root() / key).exists()

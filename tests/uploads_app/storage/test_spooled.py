"""An uploaded file is written and hashed once: its file in the spool becomes the object."""

import errno
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Visitor, code, pdf, spool_root, stored_keys, uploaded
from tests.maria_project.test_private_files import GROUP, needs_root
from tests.uploads_app.samples import form, part, post_form
from tests.uploads_app.spooled import Spooled
from tests.uploads_app.storage.test_storage import new_key
from uploads_app.storage.base import object_store

BODY = pdf("spooled", 300_000)


def no_chunks() -> Iterator[bytes]:
    raise AssertionError("the file was copied")
    yield


def fails(number: int) -> Any:
    """Return a system call that fails with this error."""

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def object_at(key: str) -> Path:
    return Path(object_store().path(key))  # type: ignore[attr-defined]


def test_the_file_in_the_spool_becomes_the_object() -> None:
    key = new_key()
    with Spooled(BODY) as spooled:
        written = object_store().put(key, no_chunks(), spooled)
        assert object_at(key).samefile(spooled.path)

    assert object_at(key).read_bytes() == BODY
    assert object_at(key).stat().st_nlink == 1
    assert (written.size, written.sha256) == (len(BODY), hashlib.sha256(BODY).hexdigest())
    assert stored_keys() == {key}


def test_it_is_synced_before_it_has_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def syncing(descriptor: int) -> None:
        steps.append(f"sync {Path(f'/proc/self/fd/{descriptor}').readlink().name}")
        fsync(descriptor)

    def linking(source: Path, final: Path) -> None:
        steps.append(f"link {source.name}")
        link(source, final)

    key = new_key()
    folder = object_at(key).parent
    with Spooled(BODY) as spooled:
        monkeypatch.setattr(os, "fsync", syncing)
        monkeypatch.setattr(os, "link", linking)
        object_store().put(key, no_chunks(), spooled)

    name = spooled.path.name
    assert steps == [f"sync {name}", f"link {name}", f"sync {folder.name}", "sync uploads"]


@pytest.mark.parametrize(
    ("call", "number"), [("link", errno.EXDEV), ("link", errno.EPERM), ("fchown", errno.EPERM)]
)
def test_a_file_that_cannot_be_linked_is_copied(
    monkeypatch: pytest.MonkeyPatch, settings: Any, call: str, number: int
) -> None:
    """Between file systems, and if this account is not a member of STORAGE_GROUP."""
    settings.STORAGE_GROUP = os.getgid()
    key, link = new_key(), os.link
    with Spooled(BODY) as spooled:

        def refuse(source: Any, *rest: Any) -> None:
            if call == "fchown" or source == spooled.path:
                fails(number)()
            link(source, *rest)

        monkeypatch.setattr(os, call, refuse)
        written = object_store().put(key, spooled.chunks(), spooled)
        assert not object_at(key).samefile(spooled.path)

    assert object_at(key).read_bytes() == BODY
    assert written.sha256 == hashlib.sha256(BODY).hexdigest()
    assert stored_keys() == {key}


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="it needs two file systems")
def test_a_spool_on_another_file_system_is_copied_without_a_sync(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = next(
        (Path(one) for one in ("/dev/shm", "/tmp", "/var/tmp")
         if Path(one).stat().st_dev != tmp_path.stat().st_dev), None,
    )  # fmt: skip
    if elsewhere is None:
        pytest.skip("it needs two file systems")
    settings.FILE_UPLOAD_TEMP_DIR = elsewhere
    key = new_key()
    with Spooled(BODY) as spooled:
        synced: list[int] = []
        monkeypatch.setattr(os, "fsync", synced.append)
        object_store().put(key, spooled.chunks(), spooled)
        assert spooled.fileno() not in synced

    assert object_at(key).read_bytes() == BODY


def test_a_taken_key_keeps_its_bytes() -> None:
    key = new_key()
    object_store().put(key, [b"first"])
    with Spooled(BODY) as spooled, pytest.raises(FileExistsError):
        object_store().put(key, no_chunks(), spooled)
    assert object_at(key).read_bytes() == b"first"


def test_a_failing_sync_leaves_no_object(monkeypatch: pytest.MonkeyPatch) -> None:
    with Spooled(BODY) as spooled, monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails(errno.EIO))
        with pytest.raises(OSError, match="Input/output error"):
            object_store().put(new_key(), no_chunks(), spooled)
    assert stored_keys() == set()


@needs_root
def test_the_group_of_a_proxy_may_read_it(settings: Any) -> None:
    """A linked file does not inherit the group of its folder."""
    settings.STORAGE_GROUP = GROUP
    settings.FILE_UPLOAD_PERMISSIONS = 0o640
    key = new_key()
    with Spooled(BODY) as spooled:
        object_store().put(key, no_chunks(), spooled)
    status = object_at(key).stat()
    assert (status.st_gid, status.st_mode & 0o777) == (GROUP, 0o640)


def test_small_and_large_files_leave_nothing_in_the_spool(visitor: Visitor) -> None:
    bodies = [pdf(size=size) for size in (1, 70_000, 3_000_000)]
    assert {uploaded(visitor, body).sha256 for body in bodies} == {
        hashlib.sha256(body).hexdigest() for body in bodies
    }
    assert list(spool_root().iterdir()) == []


def test_the_suffix_of_a_name_does_not_reach_the_spool(visitor: Visitor) -> None:
    """It may be longer than a name of a file can be."""
    response = post_form(visitor, form(part(BODY, b"report." + b"x" * 240)))
    assert (response.status_code, code(response)) == (415, "type_not_allowed")

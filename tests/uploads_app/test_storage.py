"""The store keeps an object whole or not at all, never replaces one, and stays inside its root."""

import hashlib
import os
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousFileOperation

from tests.helpers import (
    SOAK,
    Visitor,
    at_once,
    events,
    pdf,
    plant,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.samples import PLENTY
from uploads_app.models import Status, UploadedFile, object_key
from uploads_app.storage import ListingIncomplete, Marker, object_store

HOUR = timedelta(hours=1)


def new_key(session: uuid.UUID | None = None) -> str:
    """Return a well-formed key that nothing has."""
    return object_key(session or uuid.uuid4(), uuid.uuid4(), "pdf")


@pytest.mark.once
@pytest.mark.parametrize(
    "chunks", [[], [b""], [b"one"], [b"one", b"", b"two"], 20 * [70_000 * b"x"]]
)
def test_it_keeps_what_it_was_given(chunks: list[bytes]) -> None:
    key, whole = new_key(), b"".join(chunks)

    written = object_store().put(key, chunks)

    assert (written.size, written.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert object_store().describe(key)
    with object_store().open(key) as file:
        assert file.read() == whole
    assert stored_keys() == {key}


@pytest.mark.once
def test_t35_a_key_that_is_taken_keeps_its_bytes() -> None:
    key = new_key()
    object_store().put(key, [b"first"])

    with pytest.raises(FileExistsError):
        object_store().put(key, [b"second"])

    assert (store_root() / key).read_bytes() == b"first"
    assert stored_keys() == {key}


@pytest.mark.once
def test_t35_of_many_who_want_one_key_one_gets_it() -> None:
    key = new_key()

    def put(number: int) -> bytes | None:
        body = bytes([number]) * 1000
        try:
            object_store().put(key, [body])
        except FileExistsError:
            return None
        return body

    (winner,) = [body for body in at_once(20, put) if body]
    assert (store_root() / key).read_bytes() == winner
    assert stored_keys() == {key}


def test_t35_the_same_name_twice_is_two_files(visitor: Visitor) -> None:
    bodies = [pdf("first"), pdf("second")]

    ids = [str(uploaded(visitor, body, "report.pdf").pk) for body in bodies]

    assert [visitor.download(one) for one in ids] == bodies
    assert len(stored_keys()) == 2


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_t35_fifty_uploads_at_once_are_all_intact(settings: Any) -> None:
    settings.RATE_LIMITS = PLENTY
    settings.UPLOAD_MAX_FILES = count = 200 if SOAK else 50
    settings.UPLOAD_MAX_TOTAL_BYTES = 10**9
    visitor = started()
    bodies = [pdf(f"file {n}", 2000 + 1000 * n) for n in range(count)]

    def upload(number: int) -> str:
        tab = Visitor()
        tab.cookies, tab.uuid = visitor.cookies, visitor.uuid
        response = tab.upload(bodies[number], "same.pdf")
        assert response.status_code == 201, response.content
        return str(response.json()["id"])

    ids = at_once(count, upload, threads=50)

    for one, body in zip(ids, bodies, strict=True):
        row = UploadedFile.objects.get(pk=one)
        assert (row.status, row.size) == (Status.STORED, len(body))
        assert row.sha256 == hashlib.sha256(body).hexdigest()
        assert (store_root() / row.key).read_bytes() == body
    assert len(stored_keys()) == count
    assert events(visitor.uuid).count("upload.stored") == count


@pytest.mark.once
def test_bytes_that_stop_coming_leave_nothing() -> None:
    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the client is gone")

    with pytest.raises(RuntimeError):
        object_store().put(new_key(), breaking())

    assert stored_keys() == set()


@pytest.mark.once
@pytest.mark.parametrize(
    "key", ["../x.pdf", "uploads/../../x.pdf", "/etc/x.pdf", "uploads/a/../../../x.pdf", "//x"]
)
@pytest.mark.parametrize("operation", ["put", "open", "exists", "delete"])
def test_t24_the_store_does_not_leave_its_root(operation: str, key: str, tmp_path: Path) -> None:
    outside = tmp_path / "x.pdf"
    outside.write_bytes(b"outside")
    arguments: dict[str, Any] = {"put": ([b"x"],)}

    with pytest.raises(SuspiciousFileOperation):
        getattr(object_store(), operation)(key, *arguments.get(operation, ()))

    assert outside.read_bytes() == b"outside"


@pytest.mark.once
def test_only_temporary_files_can_be_deleted_as_such() -> None:
    key = new_key()
    object_store().put(key, [b"whole"])

    with pytest.raises(ValueError, match="no temporary file"):
        object_store().delete_temporary(key)

    assert stored_keys() == {key}


@pytest.mark.once
def test_it_lists_in_the_order_of_keys() -> None:
    sessions = [uuid.uuid4() for _ in range(10)]
    keys = [new_key(session) for session in sessions for _ in range(5)]
    for key in keys:
        plant(key, b"12345", HOUR)

    listed = list(object_store().list_objects())

    assert [item.key for item in listed] == sorted(keys)
    assert {item.size for item in listed} == {5}
    assert all(abs(datetime.now(UTC) - HOUR - item.modified) < HOUR / 60 for item in listed)


@pytest.mark.once
def test_a_store_that_does_not_exist_yet_is_empty() -> None:
    store = object_store()

    assert list(store.list_objects()) == []
    assert list(store.temporary_files(datetime.now(UTC))) == []
    assert store.read_marker() is None
    assert not store_root().exists()


@pytest.mark.once
def test_a_store_that_cannot_be_listed_says_so() -> None:
    store_root().mkdir(parents=True)
    (store_root() / "uploads").write_bytes(b"a file where the folder should be")

    with pytest.raises(ListingIncomplete):
        list(object_store().list_objects())


@pytest.mark.once
def test_half_written_files_are_told_apart_by_age() -> None:
    key = new_key()
    folder = key.rpartition("/")[0]
    old = plant(f"{folder}/.a.pdf.{secrets.token_hex(8)}.part", age=HOUR)
    young = plant(f"{folder}/.b.pdf.{secrets.token_hex(8)}.part")
    plant(key, age=HOUR)
    store = object_store()

    before = datetime.now(UTC) - HOUR / 2

    listed = list(store.list_objects())

    assert {item.key for item in listed if not item.is_temporary} == {key}
    found = [item.key for item in listed if item.is_temporary and item.modified < before]
    assert found == [old.relative_to(store_root()).as_posix()]
    store.delete_temporary(found[0])
    assert not old.exists()
    assert young.exists()


@pytest.mark.once
def test_deleting_takes_empty_folders_and_only_those() -> None:
    session = uuid.uuid4()
    first, second = new_key(session), new_key(session)
    store = object_store()
    for key in (first, second):
        store.put(key, [b"x"])

    store.delete(first)
    assert stored_keys() == {second}
    store.delete(second)
    store.delete(second)

    assert [p.name for p in store_root().iterdir()] == ["uploads"]
    assert list((store_root() / "uploads").iterdir()) == []


@pytest.mark.slow
@pytest.mark.once
def test_puts_and_deletes_in_one_folder_do_not_disturb_each_other() -> None:
    """A delete takes the empty folder away just when a put has made sure that it is there."""
    session = uuid.uuid4()

    def come_and_go(number: int) -> None:
        for turn in range(1000 if SOAK else 150):
            key, body = new_key(session), f"{number} {turn}".encode()
            object_store().put(key, [body])
            assert (store_root() / key).read_bytes() == body
            object_store().delete(key)

    at_once(8, come_and_go)

    assert stored_keys() == set()


@pytest.mark.once
def test_a_folder_that_goes_while_it_is_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operating system says that a folder exists, and then a deletion takes it away."""
    key, mkdir = new_key(), os.mkdir
    left = [FileExistsError(), FileExistsError()]

    def late(*arguments: Any, **options: Any) -> None:
        if left:
            raise left.pop()
        mkdir(*arguments, **options)

    store_root().mkdir(parents=True)
    monkeypatch.setattr(os, "mkdir", late)
    object_store().put(key, [b"whole"])

    assert stored_keys() == {key}


@pytest.mark.once
@pytest.mark.parametrize("place", ["file", "nowhere"])
def test_a_folder_that_cannot_be_made_is_an_error_and_no_endless_loop(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    store_root().mkdir(parents=True)
    (store_root() / "uploads").symlink_to(tmp_path / place)

    with pytest.raises(OSError, match=r"cannot be kept|Not a directory"):
        object_store().put(new_key(), [b"x"])


@pytest.mark.once
def test_the_clock_leaves_nothing_behind() -> None:
    assert abs(object_store().clock() - datetime.now(UTC)) < timedelta(minutes=1)
    assert list(store_root().rglob("*")) == []


@pytest.mark.once
def test_the_marker_is_made_once_and_then_replaced() -> None:
    store = object_store()
    first, second = Marker(str(uuid.uuid4()), 1), Marker(str(uuid.uuid4()), 7)

    store.create_marker(first)
    with pytest.raises(FileExistsError):
        store.create_marker(second)
    assert store.read_marker() == first

    store.write_marker(second)
    assert store.read_marker() == second
    assert [p.name for p in store_root().iterdir()] == ["marker.json"]


@pytest.mark.once
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"{}", b'{"id": "x"}', b'{"id":"x","generation":"y"}',
     b'{"id":"x","generation":null}', b'{"id":"x","generation":1,"more":1}', b"\xff"],
)  # fmt: skip
def test_a_marker_that_cannot_be_understood_says_so(content: bytes) -> None:
    store_root().mkdir(parents=True)
    (store_root() / "marker.json").write_bytes(content)

    with pytest.raises(ValueError, match=r"marker|Expecting|decode|nested"):
        object_store().read_marker()

"""A store keeps whole objects only, never replaces one, and lists all objects in order.

The contract is tested on both stores, a folder and a bucket. The end of the file
tests the folder only; test_s3.py tests the bucket.
"""

import hashlib
import os
import secrets
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

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
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.base import ListingIncomplete, Marker, object_store
from uploads_app.storage.keys import object_key

HOUR = timedelta(hours=1)
# More than one page of a listing, and more than one delete call takes.
MANY = 2500 if SOAK else 1050

NO_MARKERS = [
    b"", b"{", b"[]", b"null", b"{}", b'{"id": "x"}', b'{"id":"x","generation":"y"}',
    b'{"id":"x","generation":null}', b'{"id":"x","generation":1,"more":1}', b"\xff",
    b'{"id":"x","generation":1,"lineage":1}',
]  # fmt: skip


class StoreInspector(Protocol):
    """Reads and writes objects of a store directly, without the product."""

    def keys(self, prefix: str = "") -> set[str]: ...
    def read(self, key: str) -> bytes: ...
    def plant(self, key: str, body: bytes = b"planted") -> object: ...
    def plant_many(self, keys: list[str]) -> None: ...


class Folder:
    """The inspector of the disk store."""

    def keys(self, prefix: str = "") -> set[str]:
        root = store_root()
        found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
        return {key for key in found if key.startswith(prefix)}

    def read(self, key: str) -> bytes:
        return (store_root() / key).read_bytes()

    def plant(self, key: str, body: bytes = b"planted") -> object:
        return plant(key, body)

    def plant_many(self, keys: list[str]) -> None:
        for key in keys:
            plant(key)


@pytest.fixture(params=["disk", "s3"])
def inspector(request: pytest.FixtureRequest) -> StoreInspector:
    """An inspector of each store in step."""
    found: StoreInspector = Folder() if request.param == "disk" else request.getfixturevalue("s3")
    return found


def new_key(session: uuid.UUID | None = None) -> str:
    """Return an unused, well-formed key."""
    return object_key(session or uuid.uuid4(), uuid.uuid4(), "pdf")


def test_stored_object_is_unchanged(inspector: StoreInspector) -> None:
    given: list[list[bytes]] = [[], [b""], [b"one"], [b"one", b"", b"two"], 20 * [70_000 * b"x"]]
    keys = set()
    for chunks in given:
        keys.add(key := new_key())
        whole = b"".join(chunks)

        written = object_store().put(key, chunks)

        assert (written.size, written.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
        with object_store().open(key) as file:
            assert file.read() == whole
        assert inspector.keys() == keys


def test_t35_existing_object_is_not_overwritten(inspector: StoreInspector) -> None:
    key = new_key()
    object_store().put(key, [b"first"])

    with pytest.raises(FileExistsError):
        object_store().put(key, [b"second"])

    assert inspector.read(key) == b"first"
    assert inspector.keys() == {key}


def test_t35_one_of_many_writers_gets_a_key(inspector: StoreInspector) -> None:
    key = new_key()

    def put(number: int) -> bytes | None:
        body = bytes([number]) * 1000
        try:
            object_store().put(key, [body])
        except FileExistsError:
            return None
        return body

    (winner,) = [body for body in at_once(20 if isinstance(inspector, Folder) else 8, put) if body]
    assert inspector.read(key) == winner
    assert inspector.keys() == {key}


def test_t35_same_name_twice_is_two_files(visitor: Visitor) -> None:
    bodies = [pdf("first"), pdf("second")]

    ids = [str(uploaded(visitor, body, "report.pdf").pk) for body in bodies]

    assert [visitor.download(one) for one in ids] == bodies
    assert len(stored_keys()) == 2


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_t35_fifty_concurrent_uploads_are_intact(settings: Any) -> None:
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
        assert (row.status, row.size) == (UploadStatus.STORED, len(body))
        assert row.sha256 == hashlib.sha256(body).hexdigest()
        assert (store_root() / row.key).read_bytes() == body
    assert len(stored_keys()) == count
    assert events(visitor.uuid).count("upload.stored") == count


def test_interrupted_put_leaves_nothing(inspector: StoreInspector) -> None:
    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise RuntimeError("the client is gone")

    with pytest.raises(RuntimeError):
        object_store().put(new_key(), breaking())

    assert inspector.keys() == set()


def test_object_is_described(inspector: StoreInspector) -> None:
    key = new_key()
    inspector.plant(key, b"12345")

    described = object_store().describe(key)

    assert described is not None
    assert (described.key, described.size, described.is_temporary) == (key, 5, False)
    assert abs(described.modified - object_store().clock()) < HOUR / 60
    assert object_store().describe(new_key()) is None


def test_missing_object_cannot_be_opened_and_can_be_deleted(inspector: StoreInspector) -> None:
    with pytest.raises(FileNotFoundError):
        object_store().open(new_key())

    object_store().delete(new_key())
    assert object_store().delete_many([new_key(), new_key()]) == {}
    assert object_store().delete_many([]) == {}


def test_t61_many_objects_are_listed_in_order_from_any_key_and_deleted(
    inspector: StoreInspector,
) -> None:
    sessions = [uuid.uuid4() for _ in range(MANY // 5)]
    keys = sorted(new_key(session) for session in sessions for _ in range(5))
    inspector.plant_many(keys)
    inspector.plant(beside := "quarantine/" + new_key())
    store = object_store()

    assert [item.key for item in store.list_objects()] == keys
    for place in (0, MANY // 2, MANY - 1):
        assert [item.key for item in store.list_objects(after=keys[place])] == keys[place + 1 :]
    assert [item.key for item in store.list_objects("quarantine")] == [beside]

    assert store.delete_many([*keys, new_key()]) == {}
    assert inspector.keys() == {beside}


def test_listing_can_start_at_a_missing_key(inspector: StoreInspector) -> None:
    keys = sorted(new_key() for _ in range(3))
    for key in keys:
        inspector.plant(key)
    deleted = f"{keys[1]}~"

    assert [item.key for item in object_store().list_objects(after=deleted)] == keys[2:]


@pytest.mark.parametrize("cut", ["not at all", "after the copy", "after it was done"])
def test_move_can_be_repeated(inspector: StoreInspector, cut: str) -> None:
    key = new_key()
    target = f"quarantine/{key}"
    inspector.plant(target if cut == "after it was done" else key, b"bytes")
    if cut == "after the copy":
        inspector.plant(target, b"bytes")

    object_store().move(key, target)

    assert inspector.keys() == {target}
    assert inspector.read(target) == b"bytes"


def test_move_does_not_replace_and_requires_an_object(inspector: StoreInspector) -> None:
    key, target = new_key(), f"quarantine/{new_key()}"
    inspector.plant(key, b"other")
    inspector.plant(target, b"bytes")

    with pytest.raises(FileExistsError):
        object_store().move(key, target)
    with pytest.raises(FileNotFoundError):
        object_store().move(new_key(), f"quarantine/{new_key()}")

    assert inspector.keys() == {key, target}
    assert (inspector.read(key), inspector.read(target)) == (b"other", b"bytes")


@pytest.mark.parametrize(
    "key", ["../x.pdf", "uploads/../../x.pdf", "/etc/x.pdf", "uploads/a/../../../x.pdf", "//x"]
)
@pytest.mark.parametrize("operation", ["put", "open", "exists", "delete"])
def test_t24_store_does_not_leave_its_root(operation: str, key: str, tmp_path: Path) -> None:
    outside = tmp_path / "x.pdf"
    outside.write_bytes(b"outside")
    arguments: dict[str, Any] = {"put": ([b"x"],)}

    with pytest.raises(SuspiciousFileOperation):
        getattr(object_store(), operation)(key, *arguments.get(operation, ()))

    assert outside.read_bytes() == b"outside"


def test_only_temporary_files_can_be_deleted_as_temporary(inspector: StoreInspector) -> None:
    key = new_key()
    object_store().put(key, [b"whole"])

    with pytest.raises(ValueError, match="not a temporary file"):
        object_store().delete_temporary(key)

    assert inspector.keys() == {key}


def test_objects_are_listed_in_key_order() -> None:
    sessions = [uuid.uuid4() for _ in range(10)]
    keys = [new_key(session) for session in sessions for _ in range(5)]
    for key in keys:
        plant(key, b"12345", HOUR)

    listed = list(object_store().list_objects())

    assert [item.key for item in listed] == sorted(keys)
    assert {item.size for item in listed} == {5}
    assert all(abs(datetime.now(UTC) - HOUR - item.modified) < HOUR / 60 for item in listed)


def test_store_that_does_not_exist_yet_is_empty() -> None:
    store = object_store()

    assert list(store.list_objects()) == []
    assert list(store.temporary_files(datetime.now(UTC))) == []
    assert store.read_marker() is None
    assert not store_root().exists()


def test_unreadable_store_raises_an_error() -> None:
    store_root().mkdir(parents=True)
    (store_root() / "uploads").write_bytes(b"a file where the folder should be")

    with pytest.raises(ListingIncomplete):
        list(object_store().list_objects())


def test_temporary_files_are_selected_by_age() -> None:
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


def test_deleting_removes_only_empty_folders() -> None:
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
def test_concurrent_puts_and_deletes_in_one_folder_succeed() -> None:
    """A delete may remove the empty folder just after a put has created it."""
    session = uuid.uuid4()

    def put_and_delete(number: int) -> None:
        for step in range(1000 if SOAK else 150):
            key, body = new_key(session), f"{number} {step}".encode()
            object_store().put(key, [body])
            assert (store_root() / key).read_bytes() == body
            object_store().delete(key)

    at_once(8, put_and_delete)

    assert stored_keys() == set()


def test_folder_removed_during_its_creation_is_created_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The operating system reports that a folder exists, and then a deletion removes it."""
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


@pytest.mark.parametrize("place", ["file", "nowhere"])
def test_folder_that_cannot_be_created_is_an_error(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    store_root().mkdir(parents=True)
    (store_root() / "uploads").symlink_to(tmp_path / place)

    with pytest.raises(OSError, match=r"removed each time|Not a directory"):
        object_store().put(new_key(), [b"x"])


def test_reading_the_clock_leaves_no_object(inspector: StoreInspector) -> None:
    assert abs(object_store().clock() - datetime.now(UTC)) < timedelta(minutes=1)
    assert inspector.keys() == set()


def test_marker_is_created_once_and_then_replaced(inspector: StoreInspector) -> None:
    store = object_store()
    assert store.read_marker() is None
    first, second = Marker(str(uuid.uuid4()), 1), Marker(str(uuid.uuid4()), 7)

    store.create_marker(first)
    with pytest.raises(FileExistsError):
        store.create_marker(second)
    assert store.read_marker() == first

    store.write_marker(second)
    assert store.read_marker() == second
    assert inspector.keys() == {"marker.json"}


def test_t55_of_two_processes_that_replace_one_marker_one_succeeds(
    inspector: StoreInspector,
) -> None:
    store, own = object_store(), str(uuid.uuid4())
    old = Marker(own, 1)
    assert not store.swap_marker(old, Marker(own, 2))
    assert inspector.keys() == set()
    store.create_marker(old)
    new = [Marker(own, 2, f"lineage {number}") for number in range(4)]

    swapped = at_once(4, lambda number: object_store().swap_marker(old, new[number]))

    assert sorted(swapped) == [False, False, False, True]
    assert store.read_marker() == new[swapped.index(True)]
    assert not store.swap_marker(old, old)
    assert inspector.keys() == {"marker.json"}


def test_invalid_marker_raises_an_error(inspector: StoreInspector) -> None:
    for content in NO_MARKERS:
        inspector.plant("marker.json", content)

        with pytest.raises(ValueError, match=r"marker|Expecting|decode|nested"):
            object_store().read_marker()

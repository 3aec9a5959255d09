"""A full or failing disk during an upload: the visitor gets 503 and no partial file stays.

A child process performs one upload while strace makes a system call of the
store fail, or while the size of its files is limited as on a full disk.
SQLite syncs its files by fdatasync, so only the store calls `fsync`.
"""

import json
import resource
from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers import (
    Visitor,
    events,
    pdf,
    spool_root,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.processes import fork, need_strace
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus
from uploads_app.storage.disk_store import DiskStore

pytestmark = [pytest.mark.both, pytest.mark.slow, pytest.mark.usefixtures("committed")]


def upload_in_child(
    visitor: Visitor, body: bytes, fault: str = "", prepare: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Upload a file in a child process with a fault; return the response."""

    def work(say: Callable[[str], None]) -> None:
        visitor.raise_request_exception = False
        prepare()
        response = visitor.upload(body)
        answer = {
            "status": response.status_code,
            "code": response.json().get("code"),
            "retry_after": response.headers.get("Retry-After"),
        }
        say(json.dumps(answer))

    child = fork(work)
    if fault:
        child.inject(fault)
    child.go()
    code, lines = child.end()
    assert code == 0, lines
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def assert_unavailable(answer: dict[str, Any]) -> None:
    """Check that the response is 503 with Retry-After."""
    assert (answer["status"], answer["code"]) == (503, "storage_unavailable")
    assert int(answer["retry_after"]) > 0


def assert_lapsed(visitor: Visitor, kept: UploadedFile) -> None:
    """Check that only the first of two uploads is left."""
    lapsed = UploadedFile.objects.exclude(pk=kept.pk).get()
    assert (lapsed.status, lapsed.sha256) == (UploadStatus.LAPSED, "")
    assert stored_keys() == {kept.key}
    assert (store_root() / kept.key).exists()
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, kept.size)
    assert events(visitor.uuid) == ["session.created", "upload.stored", "upload.lapsed"]


@pytest.mark.parametrize(
    "fault",
    [
        # The bytes, the session's folder, and its parent folder.
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=2",
        "fsync:error=EIO:when=3",
        "?link,?linkat:error=ENOSPC:when=1",
        "?link,?linkat:error=EIO:when=1",
    ],
)
def test_t34_failing_disk_keeps_nothing(fault: str) -> None:
    need_strace()
    visitor = started()
    kept = uploaded(visitor, pdf("kept"))

    assert_unavailable(upload_in_child(visitor, pdf("lost"), fault))

    assert_lapsed(visitor, kept)
    assert upload_in_child(visitor, pdf("again"))["status"] == 201


def test_t34_an_upload_syncs_three_times() -> None:
    """An upload into an existing folder syncs three times: a fourth fault has no effect."""
    need_strace()
    visitor = started()
    uploaded(visitor)

    assert upload_in_child(visitor, pdf(), "fsync:error=EIO:when=4+")["status"] == 201


def test_t34_folder_that_cannot_be_created_keeps_nothing() -> None:
    need_strace()
    first, visitor = started(), started()
    uploaded(first)

    answer = upload_in_child(visitor, pdf(), "?mkdir,?mkdirat:error=ENOSPC:when=1+")

    assert_unavailable(answer)
    assert UploadedFile.objects.get(session=visitor.row).status == UploadStatus.LAPSED
    assert len(stored_keys()) == 1
    assert events(visitor.uuid) == ["session.created", "upload.lapsed"]


@pytest.mark.parametrize("when", [1, 2, 3])
def test_t34_store_that_cannot_be_claimed_keeps_nothing(when: int) -> None:
    """The first upload into a store writes the marker before anything else."""
    need_strace()
    visitor = started()

    answer = upload_in_child(visitor, pdf(), f"fsync:error=EIO:when={when}")

    assert_unavailable(answer)
    assert stored_keys() == set()
    assert not UploadQuota.objects.exclude(files=0, bytes=0).exists()
    assert "upload.stored" not in events(visitor.uuid)
    assert upload_in_child(visitor, pdf())["status"] == 201
    assert events(visitor.uuid)[-1] == "upload.stored"


def limit_file_size(megabytes: float, *, copies: bool = False) -> Callable[[], None]:
    """Return a function that limits the size of a new file, as a full disk does.

    If the store `copies`, the limit begins with its first file, else with the file in the spool.
    """

    def limit() -> None:
        size = int(megabytes * 2**20)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    def copy_instead(*_: Any) -> bool:
        limit()
        return False

    def prepare() -> None:
        DiskStore._link_spooled = copy_instead  # type: ignore[method-assign,assignment]

    return prepare if copies else limit


def test_t34_disk_that_fills_during_a_copy_keeps_nothing() -> None:
    visitor = started()
    kept = uploaded(visitor, pdf("kept"))

    answer = upload_in_child(
        visitor, pdf(size=5 * 2**20), prepare=limit_file_size(4.75, copies=True)
    )

    assert_unavailable(answer)
    assert_lapsed(visitor, kept)


def test_t34_disk_that_fills_before_the_store_writes_keeps_nothing() -> None:
    visitor = started()
    kept = uploaded(visitor, pdf("kept"))

    answer = upload_in_child(visitor, pdf(size=5 * 2**20), prepare=limit_file_size(4.75))

    assert_unavailable(answer)
    assert list(spool_root().iterdir()) == []
    assert stored_keys() == {kept.key}
    assert list(UploadedFile.objects.all()) == [kept]
    assert events(visitor.uuid) == ["session.created", "upload.stored"]

"""During an upload its session ends, its lease is lost, or the store has a foreign marker."""

import json
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db.models.functions import Now

from sessions_app.exceptions import SessionInvalid
from sessions_app.services.sessions import revoke_session
from tests.helpers import (
    Visitor,
    age_session,
    age_upload,
    code,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import FaultyStore, use_store
from tests.uploads_app.spooled import Interrupted, Spooled, keep_spool_elsewhere
from uploads_app.exceptions import StorageUnavailable
from uploads_app.models import StoreState, UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.upload import store_upload

pytestmark = pytest.mark.both

BODY = pdf("meanwhile", 4000)
FOREIGN = json.dumps({"id": "0b55bd1c-2c50-4fd6-9d3c-0a8d7f8a6b11", "generation": 3}).encode()


def upload(visitor: Visitor, meanwhile: Callable[[], None]) -> UploadedFile:
    """Upload a file and call `meanwhile` during the upload."""
    with Interrupted(BODY, meanwhile) as content:
        return store_upload(session=visitor.row, content=content, name="report.pdf")


def assert_nothing_kept() -> None:
    """Check that the only upload has lapsed and has neither quota nor object."""
    row = UploadedFile.objects.get()
    assert (row.status, row.sha256, row.stored_at) == (UploadStatus.LAPSED, "", None)
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
    assert stored_keys() == set()


def end(visitor: Visitor) -> None:
    assert visitor.end().status_code == 204


def reset(visitor: Visitor) -> None:
    assert visitor.reset().status_code == 201


def revoke(visitor: Visitor) -> None:
    revoke_session(session=visitor.row, reason="test")


def expire(visitor: Visitor) -> None:
    age_session(visitor.row, timedelta(days=31))


@pytest.mark.parametrize(
    ("over", "event"),
    [
        (end, ["session.ended"]),
        (reset, ["session.reset"]),
        (revoke, ["session.revoked"]),
        (expire, []),
    ],
)
def test_session_that_ends_meanwhile_keeps_nothing(
    visitor: Visitor, link_or_copy: str, over: Callable[[Visitor], None], event: list[str]
) -> None:
    first = visitor.uuid

    with pytest.raises(SessionInvalid):
        upload(visitor, lambda: over(visitor))

    assert_nothing_kept()
    assert events(first) == ["session.created", *event, "upload.lapsed"]


def test_upload_started_after_the_end_of_the_session_keeps_nothing(visitor: Visitor) -> None:
    session = visitor.row
    visitor.end()

    with pytest.raises(SessionInvalid):
        store_upload(session=session, content=Spooled(BODY), name="report.pdf")

    assert not UploadedFile.objects.exists()
    assert not UploadQuota.objects.exists()
    assert stored_keys() == set()


def test_upload_without_its_lease_keeps_nothing(visitor: Visitor, link_or_copy: str) -> None:
    def lose_lease() -> None:
        age_upload(UploadedFile.objects.get(), timedelta(hours=1))
        call_command("cleanup_orphans")
        assert UploadedFile.objects.get().status == UploadStatus.LAPSED

    with pytest.raises(StorageUnavailable):
        upload(visitor, lose_lease)

    assert_nothing_kept()
    assert events(visitor.uuid) == ["session.created", "upload.lapsed"]


def test_lease_is_renewed_during_a_copy(
    visitor: Visitor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_spool_elsewhere(monkeypatch)
    settings.UPLOAD_LEASE = timedelta(0)

    def run_low() -> None:
        UploadedFile.objects.update(lease_expires_at=Now() - timedelta(hours=1))

    row = upload(visitor, run_low)

    assert row.status == UploadStatus.STORED
    lease = UploadedFile.objects.get().lease_expires_at
    assert abs(lease - row.created_at) < timedelta(minutes=1)


def test_running_upload_is_hidden_and_counts_against_the_quota(
    visitor: Visitor, link_or_copy: str
) -> None:
    seen: list[Any] = []

    def scan() -> None:
        row = UploadedFile.objects.get()
        seen.append(row.status)
        seen.append(visitor.get("/api/v1/uploads/").json()["results"])
        seen.append(visitor.current().json()["used"])
        seen.append(visitor.get(f"/api/v1/uploads/{row.pk}/download/").status_code)
        seen.append({key.rpartition(".")[2] for key in stored_keys()})
        seen.append(events(visitor.uuid))

    upload(visitor, scan)

    used = {"files": 1, "bytes": len(BODY)}
    names = {"part"} if link_or_copy == "copied" else set()
    assert seen == [UploadStatus.PENDING, [], used, 404, names, ["session.created"]]


def test_server_error_leaves_a_row_for_the_cleanup(visitor: Visitor, link_or_copy: str) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        upload(visitor, fail)
    assert UploadedFile.objects.get().status == UploadStatus.PENDING
    assert stored_keys() == set()

    age_upload(UploadedFile.objects.get(), timedelta(hours=1))
    call_command("cleanup_orphans")

    assert_nothing_kept()


# The deployment marker -------------------------------------------------------


def marker() -> dict[str, Any]:
    """Return the marker in the store."""
    found: dict[str, Any] = json.loads((store_root() / "marker.json").read_text())
    return found


def test_first_upload_claims_an_empty_store(visitor: Visitor) -> None:
    assert not StoreState.objects.exists()

    uploaded(visitor)

    state = StoreState.objects.get()
    assert marker() == {"id": str(state.marker_id), "generation": 1}
    assert state.generation == 1


def test_later_uploads_do_not_change_the_marker(visitor: Visitor) -> None:
    uploaded(visitor)
    before = marker(), StoreState.objects.values().get()

    uploaded(visitor)

    assert (marker(), StoreState.objects.values().get()) == before


@pytest.mark.parametrize("content", [FOREIGN, b"{", b"[]"])
def test_t55_a_new_deployment_refuses_files_for_a_store_that_is_not_its_own(
    visitor: Visitor, content: bytes
) -> None:
    store_root().mkdir(parents=True)
    (store_root() / "marker.json").write_bytes(content)

    assert_refused(visitor)

    assert (store_root() / "marker.json").read_bytes() == content
    assert not StoreState.objects.filter(generation__gt=0).exists()


@pytest.mark.parametrize("content", [FOREIGN, b"{", None])
def test_t55_uploads_and_deletions_wait_until_the_marker_agrees(
    visitor: Visitor, content: bytes | None
) -> None:
    """The visitor's files may be in the right store, which is mounted later."""
    kept, deleted = uploaded(visitor), uploaded(visitor)
    before = (store_root() / "marker.json").read_bytes()
    _set_marker(content)
    keys = stored_keys()

    assert_refused(visitor)
    assert visitor.delete_upload(str(deleted.pk)).status_code == 204
    assert stored_keys() == keys
    assert UploadedFile.objects.get(pk=deleted.pk).status == UploadStatus.DELETING

    _set_marker(before)
    newest = uploaded(visitor)
    call_command("cleanup_orphans")
    assert stored_keys() == {*keys, newest.key} - {deleted.key}
    assert UploadedFile.objects.get(pk=deleted.pk).status == UploadStatus.DELETED
    assert visitor.download(str(kept.pk))


def test_a_bucket_reads_its_marker_only_every_few_seconds(
    visitor: Visitor, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    use_store(settings, before_marker=read.append)
    monkeypatch.setattr(FaultyStore, "marker_seconds", 15.0)
    uploaded(visitor)
    read.clear()
    for _ in range(2):
        uploaded(visitor)
    assert read == []
    _set_marker(FOREIGN)
    monkeypatch.setattr(FaultyStore, "marker_seconds", 0.0)
    assert_refused(visitor)


def assert_refused(visitor: Visitor) -> None:
    """Upload a file; check that it is refused and that nothing has changed but the note for an alert."""
    visitor.raise_request_exception = False
    before = _rows(visitor), stored_keys(), events()
    response = visitor.upload()
    assert (response.status_code, code(response)) == (503, "storage_unavailable")
    assert int(response["Retry-After"]) > 0
    assert (_rows(visitor), stored_keys(), events()) == before
    assert StoreState.objects.get().refused_at is not None


def _rows(visitor: Visitor) -> list[Any]:
    session = {"session": visitor.uuid}
    return [
        list(m.objects.filter(**session).order_by("pk").values())
        for m in (UploadedFile, UploadQuota)
    ]


def _set_marker(content: bytes | None) -> None:
    path = store_root() / "marker.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)


def test_store_with_objects_is_not_claimed(visitor: Visitor) -> None:
    foreign_object = store_root() / f"uploads/{uuid.uuid4()}/{uuid.uuid4()}.pdf"
    foreign_object.parent.mkdir(parents=True)
    foreign_object.write_bytes(b"from elsewhere")

    uploaded(visitor)

    assert not (store_root() / "marker.json").exists()
    assert not StoreState.objects.exists()


def test_upload_is_refused_if_the_store_cannot_be_claimed(visitor: Visitor) -> None:
    store_root().parent.mkdir(exist_ok=True)
    store_root().write_bytes(b"a file where the store should be")
    visitor.raise_request_exception = False

    response = visitor.upload()

    assert (response.status_code, code(response)) == (503, "storage_unavailable")
    assert int(response["Retry-After"]) > 0
    assert not UploadedFile.objects.exists()
    assert events(visitor.uuid) == ["session.created"]


def test_refusals_of_two_sessions_are_recorded_for_each(visitor: Visitor) -> None:
    cache.clear()
    other = started()
    for sender in (visitor, other):
        assert sender.upload(b"no pdf").status_code == 415
        assert events(sender.uuid) == ["session.created", "upload.rejected"]

"""An upload that is repeated with its Idempotency-Key is the same upload, whatever its state."""

import hashlib
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command

from tests.cases import cases
from tests.helpers import (
    Visitor,
    age_upload,
    at_once,
    code,
    database_text,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.sessions_app.support import clone
from uploads_app.models import TAKEOVER_AFTER, UploadedFile, UploadQuota, UploadStatus

BODY, OTHER = pdf("retried"), pdf("another")
KEY = "6f6a6bd0-4a8d-4b8c-b7a7-8a1f0d2c3e55"


def send(visitor: Visitor, body: bytes = BODY, name: str = "report.pdf", key: str = KEY) -> Any:
    """Upload with an Idempotency-Key."""
    headers = {**visitor.named["headers"], "Idempotency-Key": key}
    return visitor.upload(body, name, headers=headers)


def everything() -> tuple[Any, ...]:
    """Return all rows, quotas and objects."""
    return (
        list(UploadedFile.objects.order_by("id").values()),
        list(UploadQuota.objects.values()),
        stored_keys(),
    )


def assert_stored_once(visitor: Visitor, answer: Any) -> None:
    """Check that the answer describes the only file, and that the file is whole."""
    row = UploadedFile.objects.exclude(status=UploadStatus.LAPSED).get()
    assert answer.status_code == 201, answer.content
    assert answer.json()["id"] == str(row.pk)
    assert (row.status, row.sha256) == (UploadStatus.STORED, hashlib.sha256(BODY).hexdigest())
    assert stored_keys() == {row.key}
    assert visitor.download(str(row.pk)) == BODY
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(BODY))
    assert events(visitor.uuid).count("upload.stored") == 1


@pytest.mark.both
def test_t39_repeated_request_gets_the_same_answer(visitor: Visitor) -> None:
    first = send(visitor)

    for _ in range(3):
        again = send(visitor)
        assert (again.status_code, again.content) == (201, first.content)

    assert_stored_once(visitor, first)


@pytest.mark.both
def test_t39_ten_concurrent_requests_store_one_file(committed: None) -> None:
    visitor = started()
    tabs = [clone(visitor) for _ in range(10)]

    answers = at_once(10, lambda n: send(tabs[n]))

    assert {answer.status_code for answer in answers} <= {201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert code(answer) == "upload_in_progress"
            assert 0 < int(answer["Retry-After"]) <= 30
    final = [send(tab) for tab in tabs]
    assert {answer.status_code for answer in final} == {201}
    assert len({answer.content for answer in final}) == 1
    assert {a.content for a in answers if a.status_code == 201} == {final[0].content}
    assert_stored_once(visitor, final[0])


@pytest.mark.parametrize(
    ("body", "name"), [(OTHER, "report.pdf"), (BODY, "other.pdf"), (OTHER, "other.pdf")],
    ids=["other bytes", "other name", "both"],
)  # fmt: skip
def test_t39_same_key_with_another_file_changes_nothing(
    visitor: Visitor, body: bytes, name: str
) -> None:
    first = send(visitor)
    before, logged = everything(), events()

    answer = send(visitor, body, name)

    assert (answer.status_code, code(answer)) == (422, "idempotency_key_reused")
    assert (everything(), events()) == (before, logged)
    assert send(visitor).content == first.content


def test_t39_same_file_with_another_key_or_none_is_another_upload(
    visitor: Visitor, settings: Any
) -> None:
    settings.UPLOAD_MAX_FILES = 10
    ids = {send(visitor).json()["id"], send(visitor, key="another").json()["id"]}
    ids |= {str(uploaded(visitor, BODY).pk), str(uploaded(visitor, BODY).pk)}

    assert len(ids) == 4
    assert events(visitor.uuid).count("upload.stored") == 4


def test_t39_key_of_another_session_can_be_used(visitor: Visitor) -> None:
    other = started()
    mine = send(visitor)

    theirs, different = send(other), send(started(), OTHER)

    assert {theirs.status_code, different.status_code} == {201}
    assert len({answer.json()["id"] for answer in (mine, theirs, different)}) == 3


def test_t39_repeated_request_is_answered_when_the_quota_is_full(
    visitor: Visitor, settings: Any
) -> None:
    settings.UPLOAD_MAX_FILES = 1
    first = send(visitor)

    assert send(visitor).content == first.content
    refused = send(visitor, key="another")
    assert (refused.status_code, code(refused)) == (409, "quota_exceeded")
    assert_stored_once(visitor, first)


@cases("bytes_removed", [True, False])
def test_t100_deleted_file_is_not_stored_again(visitor: Visitor, bytes_removed: bool) -> None:
    upload_id = send(visitor).json()["id"]
    if bytes_removed:
        assert visitor.delete_upload(upload_id).status_code == 204
    else:
        UploadedFile.objects.update(status=UploadStatus.DELETING)
    before, logged = everything(), events()

    answer = send(visitor)

    assert (answer.status_code, code(answer)) == (409, "upload_deleted")
    assert "Use a new key" in answer.json()["detail"]
    assert (everything(), events()) == (before, logged)
    assert (send(visitor, OTHER).status_code, send(visitor, key="new").status_code) == (422, 201)


@pytest.mark.parametrize("refuse", ["type", "quota", "empty", "storage", "storage mid-way"])
def test_t39_key_can_be_reused_after_a_refusal(
    visitor: Visitor, settings: Any, refuse: str
) -> None:
    visitor.raise_request_exception = False
    blocked: Path | None = None
    body = OTHER
    if refuse == "type":
        body = b"no pdf"
    elif refuse == "empty":
        body = b""
    elif refuse == "quota":
        settings.UPLOAD_MAX_FILES = 0
    else:
        blocked = store_root() if refuse == "storage" else store_root() / f"uploads/{visitor.uuid}"
        blocked.parent.mkdir(parents=True, exist_ok=True)
        blocked.write_bytes(b"a file where the folder should be")

    expected = {"type": 415, "quota": 409, "empty": 400}.get(refuse, 503)
    assert send(visitor, body).status_code == expected

    if blocked:
        blocked.unlink()
    settings.UPLOAD_MAX_FILES = 5
    assert_stored_once(visitor, send(visitor))
    assert_stored_once(visitor, send(visitor))


@pytest.mark.parametrize(
    "key", ["", " ", "two words", "x" * 129, "tab\there", "café", "\x00", "\x7f"],
    ids=["empty", "space", "words", "long", "tab", "accent", "nul", "del"],
)  # fmt: skip
def test_t39_malformed_key_changes_nothing(visitor: Visitor, key: str) -> None:
    before, logged = everything(), events()

    answer = send(visitor, key=key)

    assert (answer.status_code, code(answer)) == (400, "idempotency_key_malformed")
    assert (everything(), events()) == (before, logged)


@pytest.mark.parametrize("key", ["x", "x" * 128, '"quoted"', "!#$%&'*+-.^_`|~"])
def test_t39_any_other_key_is_accepted(visitor: Visitor, key: str) -> None:
    assert send(visitor, key=key).content == send(visitor, key=key).content
    assert UploadedFile.objects.count() == 1


def test_t39_only_a_hash_of_the_key_is_stored(visitor: Visitor) -> None:
    """Clients may put file names or addresses into the key."""
    key = "canary-of-ada@example.org"
    send(visitor, key=key)
    send(visitor, OTHER, key=key)

    text = database_text()
    assert key not in text
    assert hashlib.sha256(key.encode()).hexdigest() in text


@pytest.mark.parametrize("how", ["end", "erase"])
def test_t39_key_of_an_ended_session_is_refused(visitor: Visitor, how: str) -> None:
    send(visitor)
    path = f"/api/v1/sessions/current/{'?erase=true' if how == 'erase' else ''}"
    late = clone(visitor)
    assert visitor.delete(path, **visitor.named).status_code == 204
    before = everything()

    answer = send(late)

    assert (answer.status_code, code(answer)) == (401, "session_invalid")
    assert everything() == before


# Retries after a dead writer --------------------------------------------


def left_pending(visitor: Visitor, *, with_object: bool) -> UploadedFile:
    """Create the row of a writer that died before its commit, with a lease renewed 30 s ago."""
    row = UploadedFile.objects.get(pk=send(visitor).json()["id"])
    if not with_object:
        (store_root() / row.key).unlink()
    UploadedFile.objects.update(status=UploadStatus.PENDING, stored_at=None)
    return row


def age_lease(by: timedelta) -> None:
    """Age the lease of every upload."""
    for row in UploadedFile.objects.all():
        row.lease_expires_at -= by
        row.save(update_fields=["lease_expires_at"])


@pytest.mark.parametrize("with_object", [True, False])
def test_t39_retry_waits_until_the_lease_is_not_renewed_for_30_s(
    visitor: Visitor, with_object: bool
) -> None:
    row = left_pending(visitor, with_object=with_object)
    age_lease(TAKEOVER_AFTER - timedelta(seconds=10))  # with a margin: the test itself takes time
    before, logged = everything(), events()

    early = send(visitor)
    assert (early.status_code, code(early)) == (409, "upload_in_progress")
    assert int(early["Retry-After"]) > 0
    assert (everything(), events()) == (before, logged)

    age_lease(timedelta(seconds=11))
    late = send(visitor)
    assert late.status_code == 201
    assert late.json()["id"] == str(row.pk)
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert visitor.download(str(row.pk)) == BODY
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, len(BODY))
    # `left_pending` records one event before it resets the row; the retry records the other.
    assert events(visitor.uuid).count("upload.stored") == 2


def test_t39_another_file_does_not_take_over_the_row_of_a_dead_writer(visitor: Visitor) -> None:
    left_pending(visitor, with_object=False)
    age_lease(timedelta(minutes=1))
    before, logged = everything(), events()

    answer = send(visitor, OTHER)

    assert (answer.status_code, code(answer)) == (422, "idempotency_key_reused")
    assert (everything(), events()) == (before, logged)


def test_t39_foreign_object_at_the_final_key_is_not_used_or_overwritten(
    visitor: Visitor,
) -> None:
    row = left_pending(visitor, with_object=True)
    visitor.raise_request_exception = False
    path = store_root() / row.key
    path.write_bytes(OTHER)
    age_lease(timedelta(minutes=1))

    answer = send(visitor)

    assert (answer.status_code, code(answer)) == (503, "storage_unavailable")
    assert path.read_bytes() == OTHER
    assert UploadedFile.objects.get().status == UploadStatus.LAPSED
    again = send(visitor)
    assert again.status_code == 201
    assert again.json()["id"] != str(row.pk)


def test_t39_key_of_a_lapsed_upload_can_be_reused(visitor: Visitor) -> None:
    row = left_pending(visitor, with_object=False)
    age_upload(row, timedelta(hours=1))
    call_command("cleanup_orphans")
    assert UploadedFile.objects.get().status == UploadStatus.LAPSED
    cache.clear()

    answer = send(visitor)

    assert answer.status_code == 201
    assert answer.json()["id"] != str(row.pk)


def test_t34_folder_of_a_dead_writer_is_synced_before_the_answer(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer may have died between linking the object and syncing the folder."""
    row = left_pending(visitor, with_object=True)
    age_lease(timedelta(minutes=1))
    synced: set[Path] = set()
    fsync = os.fsync

    def recorded(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").resolve())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", recorded)
    assert send(visitor).status_code == 201

    folder = (store_root() / row.key).parent
    assert {folder, folder.parent} <= synced

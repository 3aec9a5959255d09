"""A deletion removes a file from the list, the quota and the store, and is recorded once."""

import uuid
from copy import copy

import pytest

from audit_app.models import AuditLog
from tests.helpers import (
    Visitor,
    at_once,
    code,
    events,
    pdf,
    started,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.samples import UPLOADS
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus
from uploads_app.services.deletion import begin_deletion, delete_upload, finish_deletion
from uploads_app.services.recovery import mark_missing


def test_row_object_and_quota_are_deleted(visitor: Visitor) -> None:
    kept, upload = uploaded(visitor, pdf("kept")), uploaded(visitor, pdf("gone"))

    response = visitor.delete_upload(str(upload.pk))

    upload.refresh_from_db()
    assert (response.status_code, response.content) == (204, b"")
    assert (upload.status, upload.delete_reason) == (UploadStatus.DELETED, "visitor")
    assert upload.deleted_at is not None
    assert stored_keys() == {kept.key}
    assert UploadQuota.objects.values_list("files", "bytes").get() == (1, kept.size)
    assert [item["id"] for item in visitor.get(UPLOADS).json()["results"]] == [str(kept.pk)]
    assert events(visitor.uuid) == ["session.created", *2 * ["upload.stored"], "upload.deleted"]


def test_event_has_the_name_in_its_personal_data(visitor: Visitor) -> None:
    upload = uploaded(visitor, name="Kündigung.pdf")
    visitor.delete_upload(str(upload.pk))

    event = AuditLog.objects.get(event_type="upload.deleted")
    assert (event.outcome, event.actor, event.target) == (
        "success",
        "visitor",
        f"upload:{upload.pk}",
    )
    assert event.details == {"reason": "visitor", "size": upload.size, "sha256": upload.sha256}
    assert event.personal.file_name == "Kündigung.pdf"
    assert "ndigung" not in event.text


def test_deleting_again_succeeds_and_changes_nothing(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    before = list(UploadedFile.objects.values()), list(UploadQuota.objects.values()), events()

    assert visitor.delete_upload(str(upload.pk)).status_code == 204

    after = list(UploadedFile.objects.values()), list(UploadQuota.objects.values()), events()
    assert after == before
    assert events(visitor.uuid).count("upload.deleted") == 1


def test_folder_of_the_last_file_is_deleted(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    visitor.delete_upload(str(upload.pk))

    assert not (store_root() / upload.key).parent.exists()


def test_file_without_an_object_can_be_deleted(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    (store_root() / upload.key).unlink()
    UploadedFile.objects.update(status=UploadStatus.MISSING)

    assert visitor.delete_upload(str(upload.pk)).status_code == 204

    assert UploadedFile.objects.get().status == UploadStatus.DELETED
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
    assert events(visitor.uuid)[-1] == "upload.deleted"


def test_file_that_becomes_missing_meanwhile_is_deleted(
    visitor: Visitor,
) -> None:
    """The request has read the row before the cleanup marks it as missing."""
    as_it_was = uploaded(visitor)
    mark_missing(upload=UploadedFile.objects.get())

    delete_upload(upload=as_it_was)

    assert UploadedFile.objects.get().status == UploadStatus.DELETED
    assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
    assert events(visitor.uuid)[-2:] == ["upload.missing", "upload.deleted"]


def test_cleanup_finishes_after_a_storage_failure(visitor: Visitor) -> None:
    upload = uploaded(visitor)
    path = store_root() / upload.key
    path.unlink()
    path.symlink_to("elsewhere")  # the store does not touch a link

    for _ in range(2):
        assert visitor.delete_upload(str(upload.pk)).status_code == 204
        assert UploadedFile.objects.get().status == UploadStatus.DELETING
        assert UploadQuota.objects.values_list("files", "bytes").get() == (0, 0)
        assert visitor.get(UPLOADS).json()["results"] == []
        assert "upload.deleted" not in events(visitor.uuid)

    path.unlink()
    finish_deletion(upload=UploadedFile.objects.get())
    assert events(visitor.uuid) == ["session.created", "upload.stored", "upload.deleted"]


@pytest.mark.parametrize("status", [UploadStatus.PENDING, UploadStatus.LAPSED])
def test_unfinished_upload_is_unknown(visitor: Visitor, status: UploadStatus) -> None:
    upload = uploaded(visitor)
    UploadedFile.objects.update(status=status)

    response = visitor.delete_upload(str(upload.pk))

    assert (response.status_code, code(response)) == (404, "not_found")
    assert UploadedFile.objects.get().status == status
    assert stored_keys() == {upload.key}


def test_unknown_file_cannot_be_deleted(visitor: Visitor) -> None:
    response = visitor.delete_upload(str(uuid.uuid4()))

    assert (response.status_code, code(response)) == (404, "not_found")
    assert events(visitor.uuid) == ["session.created"]


def test_deletion_requires_the_session_header(visitor: Visitor) -> None:
    upload = uploaded(visitor)

    response = visitor.delete(f"{UPLOADS}{upload.pk}/")

    assert (response.status_code, code(response)) == (403, "session_header_required")
    assert UploadedFile.objects.get().status == UploadStatus.STORED
    assert stored_keys() == {upload.key}


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_concurrent_deletions_free_the_quota_once() -> None:
    visitor = started()
    kept = uploaded(visitor, pdf("kept"))
    for _ in range(5):
        upload = uploaded(visitor)
        others = [_same(visitor) for _ in range(8)]

        answers = at_once(8, lambda n: others[n].delete_upload(str(upload.pk)).status_code)  # noqa: B023

        assert answers == 8 * [204]
        assert UploadQuota.objects.values_list("files", "bytes").get() == (1, kept.size)
        assert stored_keys() == {kept.key}
    assert events(visitor.uuid).count("upload.deleted") == 5
    assert set(UploadedFile.objects.exclude(pk=kept.pk).values_list("status", flat=True)) == {
        UploadStatus.DELETED
    }


@pytest.mark.both
@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_deletion_finished_twice_is_recorded_once() -> None:
    """The visitor's request and the cleanup may both finish it."""
    visitor = started()
    for _ in range(5):
        upload = uploaded(visitor)
        visible = UploadedFile.objects.filter(status=UploadStatus.STORED)
        assert begin_deletion(upload=upload, among=visible, reason="visitor")
        copies = list(UploadedFile.objects.filter(pk=upload.pk)) * 8

        finished = at_once(8, lambda n: finish_deletion(upload=copy(copies[n])))  # noqa: B023

        assert sorted(finished) == [*7 * [False], True]
    assert events(visitor.uuid).count("upload.deleted") == 5


def _same(visitor: Visitor) -> Visitor:
    """Return the same visitor in another tab."""
    tab = Visitor()
    tab.cookies, tab.uuid = visitor.cookies, visitor.uuid
    return tab

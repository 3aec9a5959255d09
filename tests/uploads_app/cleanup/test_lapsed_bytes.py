"""What lies whole under the final key of a lapsed upload is never deleted."""

from typing import Any

import pytest
from django.utils import timezone

from tests.helpers import (
    Visitor,
    age_upload,
    pdf,
    plant,
    store_root,
    stored_keys,
    uploaded,
)
from tests.uploads_app.cleanup.cleanup_support import (
    HOUR,
    DatabaseBackup,
    Events,
    change,
    cleanup,
    closed_with_object,
    quotas_fit,
    restore,
    settled,
    stored,
)
from uploads_app.models import QuarantinedObject, UploadedFile, UploadStatus
from uploads_app.services.deletion import give_up_upload
from uploads_app.storage.keys import quarantine_key

pytestmark = pytest.mark.both

BODY = pdf("answered with 201")


@pytest.fixture
def upload(visitor: Visitor) -> UploadedFile:
    """A file that was answered with 201, and whose last commit was lost."""
    row = uploaded(visitor, BODY)
    age_upload(row, HOUR)
    return change(row, status=UploadStatus.PENDING, sha256="", stored_at=None)


def in_trash(key: str) -> bool:
    return (store_root() / quarantine_key(key)).exists()


def test_t55_a_file_whose_commit_was_lost_is_completed(
    visitor: Visitor, upload: UploadedFile
) -> None:
    """After a failover to a replica that had not received the commit."""
    events = Events()
    result = settled()
    assert f"uploads that arrived: {upload.key}" in result.out
    assert "1 uploads that arrived, marked as stored\n" in result.out
    upload.refresh_from_db()
    details = {"size": len(BODY), "sha256": upload.sha256, "content_type": "application/pdf"}
    assert events.new()[1:] == [("upload.stored", f"upload:{upload.pk}", details)]
    assert visitor.download(str(upload.pk)) == BODY
    assert str(upload.pk) in visitor.get("/api/v1/uploads/").content.decode()
    assert quotas_fit()
    assert settled("--json").found == {}


def test_t55_an_upload_in_progress_during_the_documented_backup_is_completed(
    visitor: Visitor, upload: UploadedFile
) -> None:
    """Nothing has to be adopted, because no run was between the backup of database and store."""
    change(upload, status=UploadStatus.PENDING, sha256="", stored_at=None)
    backup = DatabaseBackup()
    change(upload, status=UploadStatus.STORED, sha256="0" * 64, stored_at=timezone.now())
    backup.restore()
    assert "(nothing_to_adopt)" in cleanup("--adopt", "--yes").err
    settled()
    assert visitor.download(str(upload.pk)) == BODY


@pytest.mark.parametrize("why", ["other size", "other bytes", "transferred"])
def test_t55_an_object_that_does_not_complete_its_upload_goes_to_the_trash(
    visitor: Visitor, upload: UploadedFile, why: str
) -> None:
    body = BODY
    if why == "other size":
        body = b"%PDF-1.4 other"
    elif why == "other bytes":
        change(upload, sha256="1" * 64)
    else:
        change(upload, restored_from=stored())
    plant(upload.key, body, HOUR)
    events = Events()
    for _ in range(2):
        settled()
    assert UploadedFile.objects.get(pk=upload.pk).status == UploadStatus.LAPSED
    assert (store_root() / quarantine_key(upload.key)).read_bytes() == body
    assert quotas_fit()
    types = [kind for kind in events.types() if not kind.startswith("cleanup.")]
    assert types == ["object.quarantined", "upload.lapsed"]
    assert QuarantinedObject.objects.get().reason == "file_lapsed"


@pytest.mark.parametrize("status", [UploadStatus.DELETED, UploadStatus.LAPSED])
def test_t62_an_object_of_a_closed_file_can_be_restored_for_a_week(
    db: None, status: UploadStatus
) -> None:
    stored()
    upload = closed_with_object(HOUR, status)
    settled()
    assert in_trash(upload.key)
    assert restore(upload.key).exit_code == 0
    assert settled("--json").found == {"restored objects left alone": {upload.key}}


def test_t55_an_upload_that_is_given_up_keeps_the_object_of_an_earlier_request(
    visitor: Visitor, upload: UploadedFile, settings: Any
) -> None:
    """The earlier request may have been answered with 201."""
    give_up_upload(upload=upload, reason="too_late", is_own_object=False)
    assert upload.status == UploadStatus.LAPSED
    assert stored_keys() == {upload.key}
    settled()
    assert in_trash(upload.key)

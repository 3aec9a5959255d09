"""A quota that does not fit its session's files is counted anew, and stops nothing."""

from typing import Any

import pytest
from django.db import IntegrityError

from audit_app.models import AuditLog
from tests.cases import cases
from tests.helpers import Visitor, code, events, stored_keys, uploaded
from tests.uploads_app.cleanup.cleanup_support import (
    DAY,
    change,
    cleanup,
    of_session_ended,
    quotas_fit,
    settled,
    stored,
)
from uploads_app.cleanup.batches import each_alone_if_needed
from uploads_app.cleanup.removal import RemovalResult
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus

pytestmark = pytest.mark.both

SIZES = ("files", "bytes")
# Edited by SQL, or of another time than the files: both too small, too large, or one of them.
WRONG = [
    {"files": 0, "bytes": 0},
    {"files": 3, "bytes": 10**9},
    {"files": 2, "bytes": 1},
    {"files": 0},
]


def spoil(visitor: Visitor, wrong: dict[str, int]) -> dict[str, int]:
    """Change the quota of a session; return the details of the event that corrects it."""
    quotas = UploadQuota.objects.filter(session=visitor.row)
    files, size = quotas.values_list(*SIZES).get()
    quotas.update(**wrong)
    right = {"files": files, "bytes": size}
    return right | {f"{name}_before": value for name, value in (right | wrong).items()}


def corrections() -> list[dict[str, Any]]:
    logs = AuditLog.objects.filter(event_type="upload.quota_corrected").order_by("id")
    return [log.details for log in logs]


@cases("wrong", WRONG, ids=str)
def test_a_visitor_deletes_a_file_though_the_quota_does_not_fit(
    visitor: Visitor, wrong: dict[str, int]
) -> None:
    upload, kept = uploaded(visitor), uploaded(visitor)
    details = spoil(visitor, wrong)

    assert visitor.delete_upload(str(upload.pk)).status_code == 204

    upload.refresh_from_db()
    assert upload.status == UploadStatus.DELETED
    assert UploadQuota.objects.values_list(*SIZES).get() == (1, kept.size)
    assert events(visitor.uuid)[-2:] == ["upload.quota_corrected", "upload.deleted"]
    assert corrections() == [details]


@cases("wrong", WRONG, ids=str)
def test_an_upload_is_admitted_by_the_files_and_not_by_a_wrong_quota(
    visitor: Visitor, wrong: dict[str, int]
) -> None:
    uploaded(visitor)
    details = spoil(visitor, wrong)
    for _ in range(2):
        uploaded(visitor)
    assert code(visitor.upload()) == "quota_exceeded"
    assert corrections() == [details]
    assert quotas_fit()


def test_an_erasure_completes_though_the_quota_does_not_fit(visitor: Visitor) -> None:
    uploaded(visitor)
    uploaded(visitor)
    spoil(visitor, {"files": 0, "bytes": 0})

    assert visitor.erase().status_code == 204

    assert visitor.row.erased_at is not None
    assert stored_keys() == set()
    assert quotas_fit()


def test_a_session_without_a_quota_row_gets_one(visitor: Visitor) -> None:
    """A restore may have brought back the files alone."""
    first = uploaded(visitor)
    UploadQuota.objects.all().delete()
    assert visitor.delete_upload(str(first.pk)).status_code == 204
    for _ in range(3):
        uploaded(visitor)
    assert code(visitor.upload()) == "quota_exceeded"
    assert quotas_fit()


def test_t57_a_cleanup_finishes_the_others_if_one_row_is_bad(db: None) -> None:
    live = stored()
    due = [of_session_ended(8 * DAY) for _ in range(3)]
    UploadQuota.objects.filter(session=due[0].session_id).update(files=0, bytes=0)
    bad = change(due[1], key="uploads/../../elsewhere.pdf")

    result = cleanup()

    assert (result.exit_code, result.err) == (1, "1 files failed. The next run tries again.\n")
    cleanup()
    left = UploadedFile.objects.exclude(status=UploadStatus.DELETED)
    assert set(left.values_list("pk", "status")) == {
        (live.pk, UploadStatus.STORED),
        (bad.pk, UploadStatus.DELETING),
    }
    assert live.key in stored_keys()
    assert quotas_fit()
    assert len(corrections()) == 1


def test_t57_a_malformed_key_does_not_disturb_the_scan(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uploads_app.cleanup.reconcile.PAGE", 1)
    monkeypatch.setattr("uploads_app.cleanup.upload_rows.PAGE", 1)
    uploads = [stored() for _ in range(3)]
    for key in ("zzz", "../etc/passwd", ""):
        bad = stored()
        change(bad, key=key)
    settled("--dry-run")
    assert {upload.key for upload in uploads} <= stored_keys()
    assert not UploadedFile.objects.exclude(status=UploadStatus.STORED).exists()
    result = settled("--json")
    assert "rows without an object" not in result.found


def test_t57_a_batch_that_a_bad_row_breaks_is_done_row_by_row() -> None:
    def work(keys: list[str]) -> RemovalResult:
        if "bad" in keys:
            raise IntegrityError("a constraint")
        return RemovalResult(dict.fromkeys(keys, 1))

    result = each_alone_if_needed(work, ["one", "bad", "two"])

    assert (result.done, result.failed) == ({"one": 1, "two": 1}, 1)

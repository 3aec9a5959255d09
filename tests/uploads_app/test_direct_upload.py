"""A browser sends a file to the store directly: exactly the inspected bytes are stored, once."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from sessions_app.tasks import forget_visitors
from tests.helpers import Visitor, code, events, pdf, started
from tests.ports import free_port
from tests.s3_server import Bucket
from tests.security.routes import state
from tests.uploads_app.direct_support import (
    arrived,
    begin,
    begun,
    complete,
    completed,
    incoming,
    interrupt,
    post,
    refused,
    twin,
)
from tests.uploads_app.samples import sample
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus
from uploads_app.storage.keys import MARKER

BODY = pdf("sent directly", 4000)
OTHER = pdf("sent afterwards", 4000)
UNKNOWN = "5f0c6f0e-7a58-4a6c-9d9e-0f4f6c1a2b3c"


@pytest.fixture(autouse=True)
def offered(s3: Bucket, settings: Any) -> None:
    """Allow direct uploads to an empty bucket."""
    settings.DIRECT_UPLOADS = True


def quota_usage() -> tuple[int, int]:
    """Return files and bytes of the only quota row."""
    return UploadQuota.objects.values_list("files", "bytes").get()


def sweep(settings: Any) -> None:
    """Run the cleanup as if everything in the store were old."""
    settings.UPLOAD_LEASE = timedelta(0)
    UploadedFile.objects.filter(status=UploadStatus.PENDING).update(
        lease_expires_at=timezone.now() - timedelta(days=1)
    )
    call_command("cleanup_orphans", "--older-than", "0s")


def test_file_is_uploaded_directly(visitor: Visitor, s3: Bucket) -> None:
    assert visitor.current().json()["limits"]["direct_upload"] is True
    form_data = begun(visitor, len(BODY))
    row = UploadedFile.objects.get()
    assert (row.status, row.direct, row.size, str(row.pk)) == (
        "pending",
        True,
        4000,
        form_data["id"],
    )
    assert form_data["upload"]["expires_at"] < row.lease_expires_at.isoformat()
    assert quota_usage() == (1, 4000)

    assert post(form_data, BODY).status_code == 204
    assert s3.keys() == {MARKER, incoming(row)}
    answer = complete(visitor, form_data["id"])

    assert answer.status_code == 200
    assert answer.json() == visitor.get(f"/api/v1/uploads/{form_data['id']}/").json()
    assert visitor.download(form_data["id"]) == BODY == s3.read(row.key)
    assert s3.keys() == {MARKER, row.key}
    assert quota_usage() == (1, 4000)
    assert complete(visitor, form_data["id"]).json() == answer.json()
    assert events() == [
        "session.created", "upload.started", "upload.stored", "upload.downloaded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("requested", "status", "refusal"),
    [
        ({"size": 0}, 400, "file_empty"),
        ({"size": 5 * 1024 * 1024 + 1}, 413, "file_too_large"),
        ({"size": 10**30}, 413, "file_too_large"),
        ({"size": 10, "name": "report.png"}, 415, "type_not_allowed"),
        ({"size": 10, "name": "report.php;.pdf"}, 400, "name_not_allowed"),
        ({"size": 10, "name": "folder.pdf/report"}, 415, "type_not_allowed"),
        ({"size": -1}, 400, "invalid_input"),
        ({"size": 10, "name": ""}, 400, "invalid_input"),
        ({"size": "many"}, 400, "invalid_input"),
    ],
)
def test_announced_file_can_be_refused(
    visitor: Visitor, requested: dict[str, Any], status: int, refusal: str
) -> None:
    before = state()

    assert refused(begin(visitor, **requested)) == (status, refusal)

    assert state() == before
    assert not UploadQuota.objects.exists()


def test_t24_path_in_a_name_is_not_part_of_the_key(visitor: Visitor, s3: Bucket) -> None:
    upload = completed(visitor, BODY, "../../marker\\..\\é report.pdf")

    assert upload.name == "é report.pdf"
    assert s3.keys() == {MARKER, f"uploads/{visitor.uuid}/{upload.pk}.pdf"}


def test_t31_announced_bytes_count_against_the_quota(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_MAX_TOTAL_BYTES = 10_000
    begun(visitor, 4000)
    begun(visitor, 4000)
    before = state()

    assert refused(begin(visitor, 4000)) == (409, "quota_exceeded")
    assert state() == before
    begun(visitor, 2000)
    assert refused(begin(visitor, 1)) == (409, "quota_exceeded")
    assert quota_usage() == (3, 10_000)


def test_upload_without_bytes_stays_pending(visitor: Visitor) -> None:
    form_data = begun(visitor, len(BODY))
    before = state()

    response = complete(visitor, form_data["id"])

    assert refused(response) == (409, "upload_incomplete")
    assert int(response["Retry-After"]) > 0
    assert state() == before  # also the lease: a failed completion does not extend it
    assert post(form_data, BODY).status_code == 204
    assert complete(visitor, form_data["id"]).status_code == 200


@pytest.mark.parametrize("body", [sample("png"), b"<script>alert(1)</script>"], ids=["png", "html"])
def test_t26_type_is_checked_by_the_bytes(visitor: Visitor, s3: Bucket, body: bytes) -> None:
    upload = arrived(visitor, body)

    assert refused(complete(visitor, str(upload.pk))) == (415, "type_not_allowed")

    upload.refresh_from_db()
    assert (upload.status, upload.sha256) == (UploadStatus.REJECTED, "")
    assert (quota_usage(), s3.keys()) == ((0, 0), {MARKER})
    assert events() == ["session.created", "upload.started", "upload.rejected"]
    assert refused(complete(visitor, str(upload.pk))) == (404, "not_found")
    assert events()[3:] == []


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"\n", b""], ids=["less", "more", "none"])
def test_t32_other_size_than_announced_is_refused(
    visitor: Visitor, s3: Bucket, body: bytes
) -> None:
    upload = arrived(visitor, BODY)
    s3.plant(incoming(upload), body)  # a form does not allow this

    assert refused(complete(visitor, str(upload.pk))) == (422, "content_mismatch")

    upload.refresh_from_db()
    assert upload.status == UploadStatus.REJECTED
    assert (quota_usage(), s3.keys()) == ((0, 0), {MARKER})
    assert events() == ["session.created", "upload.started", "upload.rejected"]


def test_t26_bytes_sent_after_the_inspection_are_not_stored(
    visitor: Visitor, s3: Bucket, settings: Any
) -> None:
    form_data = begun(visitor, len(BODY))
    assert post(form_data, BODY).status_code == 204
    evil = b"<html>".ljust(len(BODY))
    interrupt(settings, lambda: post(form_data, evil))

    answer = complete(visitor, form_data["id"])

    assert answer.status_code == 200
    assert visitor.download(form_data["id"]) == BODY
    assert post(form_data, evil).status_code == 204  # the form is still valid
    assert complete(visitor, form_data["id"]).json() == answer.json()
    assert visitor.download(form_data["id"]) == BODY


def test_late_bytes_are_swept(visitor: Visitor, s3: Bucket, settings: Any) -> None:
    form_data = begun(visitor, len(BODY))
    assert post(form_data, BODY).status_code == 204
    assert complete(visitor, form_data["id"]).status_code == 200
    assert post(form_data, OTHER).status_code == 204
    row = UploadedFile.objects.get()
    assert s3.keys() == {MARKER, row.key, incoming(row)}

    call_command("cleanup_orphans")
    assert s3.keys() == {MARKER, row.key, incoming(row)}
    sweep(settings)

    assert s3.keys() == {MARKER, row.key}
    assert visitor.download(form_data["id"]) == BODY


def test_t14_upload_of_another_session_is_answered_as_unknown(visitor: Visitor, s3: Bucket) -> None:
    upload, other_session = arrived(visitor, BODY), started()
    before, keys = state(), s3.keys()

    theirs, none = complete(other_session, str(upload.pk)), complete(other_session, UNKNOWN)
    assert refused(theirs) == refused(none) == (404, "not_found")
    assert same(theirs) == same(none)
    assert other_session.delete_upload(str(upload.pk)).status_code == 404
    assert (state(), s3.keys()) == (before, keys)


def test_ordinary_upload_cannot_be_completed(visitor: Visitor) -> None:
    stored = visitor.upload().json()

    assert refused(complete(visitor, stored["id"])) == (404, "not_found")


def test_t39_same_key_gets_a_form_for_the_same_file(visitor: Visitor) -> None:
    first = begun(visitor, len(BODY), key="one")
    again = begun(visitor, len(BODY), key="one")

    assert again["id"] == first["id"]
    assert again["upload"]["fields"]["key"] == first["upload"]["fields"]["key"]
    assert refused(begin(visitor, 4001, key="one")) == (422, "idempotency_key_reused")
    assert refused(begin(visitor, 4000, "b.pdf", "one")) == (422, "idempotency_key_reused")
    assert quota_usage() == (1, len(BODY))
    assert events() == ["session.created", "upload.started"]
    assert post(again, BODY).status_code == 204
    stored = complete(visitor, first["id"]).json()
    assert begun(visitor, len(BODY), key="one")["id"] == first["id"]
    assert complete(visitor, first["id"]).json() == stored


def test_t100_key_of_a_deleted_file_gets_no_form(visitor: Visitor) -> None:
    form_data = begun(visitor, len(BODY), key="one")
    post(form_data, BODY)
    complete(visitor, form_data["id"])
    visitor.delete_upload(form_data["id"])
    before = state()

    assert refused(begin(visitor, len(BODY), key="one")) == (409, "upload_deleted")
    assert state() == before


def test_t39_key_of_a_rejected_file_can_be_reused(visitor: Visitor) -> None:
    png = sample("png")
    form_data = begun(visitor, len(png), key="one")
    post(form_data, png)
    assert complete(visitor, form_data["id"]).status_code == 415

    assert begun(visitor, len(BODY), key="one")["id"] != form_data["id"]


def test_ended_session_completes_nothing_and_the_cleanup_sweeps(
    visitor: Visitor, s3: Bucket, settings: Any
) -> None:
    upload = arrived(visitor, BODY)
    before = twin(visitor)
    visitor.reset()

    assert complete(before, str(upload.pk)).status_code == 401
    assert refused(complete(visitor, str(upload.pk))) == (404, "not_found")

    upload.refresh_from_db()
    assert upload.status == UploadStatus.PENDING
    sweep(settings)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.LAPSED
    assert s3.keys() == {MARKER}
    assert events(upload.session_id)[-1] == "upload.lapsed"


def test_deleting_a_pending_upload_frees_quota_at_once(visitor: Visitor, s3: Bucket) -> None:
    upload = arrived(visitor, BODY)

    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    assert visitor.delete_upload(str(upload.pk)).status_code == 204

    assert (quota_usage(), s3.keys()) == ((0, 0), {MARKER})
    assert refused(complete(visitor, str(upload.pk))) == (404, "not_found")
    assert events() == ["session.created", "upload.started", "upload.lapsed"]


def test_deleting_a_stored_file_also_removes_later_bytes(visitor: Visitor, s3: Bucket) -> None:
    form_data = begun(visitor, len(BODY))
    post(form_data, BODY)
    assert complete(visitor, form_data["id"]).status_code == 200
    post(form_data, OTHER)

    assert visitor.delete_upload(form_data["id"]).status_code == 204

    assert s3.keys() == {MARKER}


def test_erased_session_leaves_nothing_in_the_store(visitor: Visitor, s3: Bucket) -> None:
    stored, waiting = completed(visitor, BODY), arrived(visitor, OTHER)
    assert visitor.erase().status_code == 204
    assert s3.keys("uploads/") == set()
    assert s3.keys("incoming/") == {incoming(waiting)}  # its form is still valid

    UploadedFile.objects.filter(pk=waiting.pk).update(lease_expires_at=timezone.now())
    forget_visitors()

    assert s3.keys("uploads/") | s3.keys("incoming/") == set()
    assert set(UploadedFile.objects.values_list("status", "name")) == {
        (UploadStatus.DELETED, ""), (UploadStatus.LAPSED, ""),
    }  # fmt: skip
    stored.refresh_from_db()
    assert events(visitor.uuid)[-1] == "session.erased"


def test_t57_upload_stays_pending_while_storage_is_unavailable(
    visitor: Visitor, s3: Bucket, settings: Any
) -> None:
    upload = arrived(visitor, BODY)
    good = settings.STORAGES
    settings.STORAGES = s3.storages(settings, endpoint_url=f"http://127.0.0.1:{free_port()}")
    visitor.raise_request_exception = False

    response = complete(visitor, str(upload.pk))

    assert refused(response) == (503, "storage_unavailable")
    assert int(response["Retry-After"]) > 0
    upload.refresh_from_db()
    assert upload.status == UploadStatus.PENDING
    settings.STORAGES = good
    assert complete(visitor, str(upload.pk)).status_code == 200
    assert s3.keys() == {MARKER, upload.key}


def test_t75_starting_counts_against_the_upload_rate_limit(visitor: Visitor, settings: Any) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "upload": ["1/d"]}
    begun(visitor, 10)

    assert refused(begin(visitor, 10)) == (429, "rate_limited")
    assert quota_usage() == (1, 10)


def test_disabled_direct_uploads_are_refused(visitor: Visitor, settings: Any) -> None:
    settings.DIRECT_UPLOADS = False
    visitor.raise_request_exception = False  # a 501 counts as a request exception

    assert refused(begin(visitor, 10)) == (501, "direct_upload_unavailable")
    assert visitor.current().json()["limits"]["direct_upload"] is False
    assert not UploadedFile.objects.exists()


def same(response: Any) -> dict[str, Any]:
    """Return a refusal without its request id."""
    code(response)
    return {**response.json(), "request_id": ""}

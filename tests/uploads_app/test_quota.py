"""A session never exceeds its quota of files and bytes, even with concurrent requests."""

from itertools import chain
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests.helpers import Visitor, at_once, code, events, pdf, started, stored_keys, uploaded
from tests.uploads_app.samples import PLENTY
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus

pytestmark = pytest.mark.both

SIZE = 2000


def quota_usage() -> tuple[int, int]:
    """Return files and bytes of the only quota row."""
    return UploadQuota.objects.values_list("files", "bytes").get()


def tabs_of(visitor: Visitor, count: int) -> list[Visitor]:
    """Return the same visitor in several tabs."""
    tabs = [Visitor() for _ in range(count)]
    for tab in tabs:
        tab.cookies, tab.uuid = visitor.cookies, visitor.uuid
    return tabs


def assert_refused(visitor: Visitor, response: Any, kept: set[str]) -> None:
    """Check that one file was refused for the quota, recorded, and not kept."""
    assert (response.status_code, code(response)) == (409, "quota_exceeded")
    assert stored_keys() == kept
    assert set(UploadedFile.objects.values_list("key", flat=True)) == kept
    assert events(visitor.uuid)[-1] == "upload.quota_exceeded"


def test_quota_of_files_can_be_filled_but_not_exceeded(visitor: Visitor) -> None:
    for _ in range(3):
        uploaded(visitor, pdf(size=SIZE))
    kept = stored_keys()

    response = visitor.upload(pdf(size=SIZE), "eins zu viel.pdf")

    assert_refused(visitor, response, kept)
    assert "3 files" in response.json()["detail"]
    assert quota_usage() == (3, 3 * SIZE)
    event = AuditLog.objects.get(event_type="upload.quota_exceeded")
    assert event.outcome == "denied"
    assert event.details == {"max_files": 3, "max_total_bytes": 15 * 1024 * 1024, "repeated": 0}
    assert "eins zu viel" not in event.text
    assert event.personal.file_name == "eins zu viel.pdf"


@pytest.mark.parametrize(("size", "taken"), [(SIZE - 1, True), (SIZE, True), (SIZE + 1, False)])
def test_quota_of_bytes_can_be_filled_but_not_exceeded(
    visitor: Visitor, settings: Any, size: int, taken: bool
) -> None:
    settings.UPLOAD_MAX_TOTAL_BYTES = 2 * SIZE
    uploaded(visitor, pdf(size=SIZE))
    kept = stored_keys()

    response = visitor.upload(pdf(size=size))

    if taken:
        assert response.status_code == 201
        assert quota_usage() == (2, SIZE + size)
    else:
        assert_refused(visitor, response, kept)
        assert quota_usage() == (1, SIZE)


def test_each_session_has_its_own_quota(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = 1
    uploaded(visitor)

    uploaded(started())

    assert visitor.upload().status_code == 409


def test_deleted_file_frees_quota(visitor: Visitor, settings: Any) -> None:
    settings.UPLOAD_MAX_FILES = 1
    upload = uploaded(visitor)
    assert visitor.upload().status_code == 409

    visitor.delete_upload(str(upload.pk))

    assert visitor.upload().status_code == 201
    assert visitor.upload().status_code == 409


@pytest.mark.parametrize("status", [UploadStatus.PENDING, UploadStatus.MISSING])
def test_file_that_may_have_an_object_counts_against_the_quota(
    visitor: Visitor, settings: Any, status: UploadStatus
) -> None:
    settings.UPLOAD_MAX_FILES = 1
    uploaded(visitor)
    UploadedFile.objects.update(status=status)

    assert visitor.upload().status_code == 409


def test_refused_type_does_not_count_against_the_quota(visitor: Visitor) -> None:
    for _ in range(4):
        assert visitor.upload(b"no pdf").status_code == 415

    uploaded(visitor)
    assert quota_usage()[0] == 1


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
@pytest.mark.parametrize("limit", ["files", "bytes"])
def test_t31_twenty_threads_compete_for_ten_files(settings: Any, limit: str) -> None:
    settings.RATE_LIMITS = PLENTY
    settings.UPLOAD_MAX_FILES = 10 if limit == "files" else 1000
    settings.UPLOAD_MAX_TOTAL_BYTES = 10**9 if limit == "files" else 11 * SIZE - 1
    visitor = started()
    tabs = tabs_of(visitor, 20)

    def five(number: int) -> list[int]:
        body = pdf(str(number), SIZE)
        return [tabs[number].upload(body).status_code for _ in range(5)]

    answers = sorted(chain.from_iterable(at_once(20, five)))

    assert answers == 10 * [201] + 90 * [409]
    assert quota_usage() == (10, 10 * SIZE)
    assert list(UploadedFile.objects.values_list("status", flat=True)) == 10 * [UploadStatus.STORED]
    assert stored_keys() == set(UploadedFile.objects.values_list("key", flat=True))
    assert events(visitor.uuid).count("upload.stored") == 10
    assert events(visitor.uuid).count("upload.quota_exceeded") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_t31_concurrent_uploads_and_deletions_keep_the_quota_exact(settings: Any) -> None:
    settings.RATE_LIMITS = PLENTY
    settings.UPLOAD_MAX_FILES = 4
    visitor = started()
    tabs = tabs_of(visitor, 8)

    def upload_and_delete(number: int) -> int:
        stored = 0
        for step in range(6):
            response = tabs[number].upload(pdf(f"{number} {step}", SIZE + number))
            assert response.status_code in (201, 409)
            if response.status_code == 201:
                stored += 1
                if step % 3:
                    assert tabs[number].delete_upload(response.json()["id"]).status_code == 204
        return stored

    stored = sum(at_once(8, upload_and_delete))

    left = UploadedFile.objects.filter(status=UploadStatus.STORED)
    assert quota_usage() == (left.count(), sum(left.values_list("size", flat=True)))
    assert stored_keys() == set(left.values_list("key", flat=True))
    assert events(visitor.uuid).count("upload.stored") == stored
    assert events(visitor.uuid).count("upload.deleted") == stored - left.count()

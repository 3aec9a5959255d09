"""A form can write bytes until it expires, so its upload counts until then, deleted or not."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, plant, store_root, uploaded
from tests.s3_server import Bucket
from tests.uploads_app.direct_support import (
    arrive,
    begin,
    begun,
    complete,
    incoming,
    offer_forms,
    post,
    refused,
)
from uploads_app.models import UploadedFile, UploadQuota
from uploads_app.storage.keys import MARKER

pytestmark = pytest.mark.both

BODY = pdf("by form", 4000)
SIZE = len(BODY)


@pytest.fixture
def forms(settings: Any) -> None:
    """Let the disk store offer forms, to sessions of 3 files and 10,000 bytes."""
    offer_forms(settings)
    settings.UPLOAD_MAX_TOTAL_BYTES = 10_000


def state() -> tuple[Any, ...]:
    """Return all rows, quotas and events."""
    rows = UploadedFile.objects.order_by("id").values()
    return list(rows), list(UploadQuota.objects.values()), events()


def let_forms_expire() -> None:
    UploadedFile.objects.exclude(form_expires_at=None).update(
        form_expires_at=timezone.now() - timedelta(seconds=1)
    )


def test_t99_a_bucket_never_receives_more_than_the_quota(
    visitor: Visitor, s3: Bucket, settings: Any
) -> None:
    settings.DIRECT_UPLOADS, settings.UPLOAD_MAX_TOTAL_BYTES = True, 10_000
    form_data = []
    while (answer := begin(visitor, SIZE)).status_code == 201:
        form_data.append(answer.json())
        assert visitor.delete_upload(form_data[-1]["id"]).status_code == 204

    assert refused(answer) == (409, "quota_exceeded")
    assert [post(one, BODY).status_code for one in form_data] == [204, 204]
    assert len(s3.keys() - {MARKER}) * SIZE <= settings.UPLOAD_MAX_TOTAL_BYTES


@cases("ending", ["cancelled", "rejected", "stored and deleted"])
def test_t99_a_closed_upload_counts_until_its_form_expires(
    visitor: Visitor, forms: None, ending: str
) -> None:
    upload = arrive(visitor, b"<html>".ljust(SIZE) if ending == "rejected" else BODY)
    if ending != "cancelled":
        complete(visitor, str(upload.pk))
    visitor.delete_upload(str(upload.pk))
    assert visitor.current().json()["used"] == {"files": 0, "bytes": 0}
    before = state()

    direct, ordinary = begin(visitor, 6001), visitor.upload(pdf(size=6001))

    for answer in (direct, ordinary):
        assert (answer.status_code, code(answer)) == (409, "quota_exceeded")
        assert "Try again in a few minutes." in answer.json()["detail"]
    assert state()[:2] == before[:2]
    assert events()[len(before[2]) :] == ["upload.quota_exceeded"]
    plant(incoming(upload), BODY)
    let_forms_expire()
    assert uploaded(visitor, pdf(size=6001))
    assert not (store_root() / incoming(upload)).exists()


def test_t99_bytes_that_cannot_be_removed_still_count(visitor: Visitor, forms: None) -> None:
    upload = arrive(visitor, BODY)
    visitor.delete_upload(str(upload.pk))
    let_forms_expire()
    obstacle = store_root() / incoming(upload)
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.symlink_to(store_root())  # the store refuses to follow or delete a link

    assert refused(begin(visitor, 6001)) == (409, "quota_exceeded")
    obstacle.unlink()
    assert begun(visitor, 6001)


def test_t99_a_repeated_begin_renews_the_expiry(visitor: Visitor, forms: None) -> None:
    form_data = begun(visitor, SIZE, key="one")
    let_forms_expire()
    begun(visitor, SIZE, key="one")
    visitor.delete_upload(form_data["id"])

    assert refused(begin(visitor, 6001)) == (409, "quota_exceeded")

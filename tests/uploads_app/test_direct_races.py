"""Concurrent requests about direct uploads: one file, one event, and never more than the quota."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sessions_app.services.sessions import revoke_session
from tests.helpers import Visitor, age_session, at_once, events, pdf, started
from tests.s3_server import Bucket
from tests.uploads_app.direct_support import arrived, complete, interrupt, refused, twin
from tests.uploads_app.samples import sample
from uploads_app.models import UploadQuota, UploadStatus
from uploads_app.storage.keys import MARKER

pytestmark = pytest.mark.both

BODY = pdf("sent directly", 4000)


@pytest.fixture(autouse=True)
def offered(s3: Bucket, settings: Any) -> None:
    """Allow direct uploads to an empty bucket."""
    settings.DIRECT_UPLOADS = True


def quota_usage() -> tuple[int, int]:
    """Return files and bytes of the only quota row."""
    return UploadQuota.objects.values_list("files", "bytes").get()


def test_t31_concurrent_starts_do_not_exceed_the_quota(committed: None, settings: Any) -> None:
    visitor = started()
    visitor.current()

    answers = at_once(8, lambda _: twin(visitor).send(
        "uploads/direct/", {"name": "a.pdf", "size": 10}, **visitor.named
    ).status_code)  # fmt: skip

    assert sorted(answers) == [201] * 3 + [409] * 5
    assert quota_usage() == (3, 30)


def test_t39_eight_concurrent_completions_store_one_file(committed: None, s3: Bucket) -> None:
    visitor = started()
    upload = arrived(visitor, BODY)

    answers = at_once(8, lambda _: complete(twin(visitor), str(upload.pk)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert events() == ["session.created", "upload.started", "upload.stored"]
    assert (s3.keys(), s3.read(upload.key)) == ({MARKER, upload.key}, BODY)
    assert quota_usage() == (1, len(BODY))


def test_eight_concurrent_completions_reject_a_bad_file_once(committed: None, s3: Bucket) -> None:
    visitor = started()
    upload = arrived(visitor, sample("png"))

    answers = at_once(8, lambda _: complete(twin(visitor), str(upload.pk)).status_code)

    assert 415 in answers
    assert set(answers) <= {404, 409, 415}
    assert events() == ["session.created", "upload.started", "upload.rejected"]
    assert (quota_usage(), s3.keys()) == ((0, 0), {MARKER})


def reset(visitor: Visitor) -> None:
    twin(visitor).send("sessions/current/reset/", **visitor.named)


def end(visitor: Visitor) -> None:
    twin(visitor).end()


def revoke(visitor: Visitor) -> None:
    revoke_session(session=visitor.row, reason="test")


def expire(visitor: Visitor) -> None:
    age_session(visitor.row, timedelta(days=31))


@pytest.mark.parametrize("leave", [reset, end, revoke, expire])
def test_t15_session_that_ends_meanwhile_keeps_nothing(
    visitor: Visitor, s3: Bucket, settings: Any, leave: Callable[[Visitor], None]
) -> None:
    upload = arrived(visitor, BODY)
    interrupt(settings, lambda: leave(visitor))

    assert refused(complete(visitor, str(upload.pk))) == (401, "session_invalid")

    upload.refresh_from_db()
    assert (upload.status, upload.sha256) == (UploadStatus.LAPSED, "")
    assert (s3.keys(), UploadQuota.objects.get(session=upload.session).files) == ({MARKER}, 0)
    assert "upload.stored" not in events()

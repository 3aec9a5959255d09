"""The product on a private S3 bucket: through the API and in both web servers.

What a bucket has in common with a folder is tested in test_storage.py, failures
in tests/faults/test_s3_faults.py.
"""

import hashlib
import io
import logging
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.files.storage import storages

from maria_project.logs import RedactingJsonFormatter
from tests.helpers import Visitor, at_once, pdf, started, uploaded
from tests.s3_server import READER, SECRET_KEY, Bucket, S3Server
from tests.uploads_app.cleanup.cleanup_support import cleanup, settled
from tests.uploads_app.server import WAITRESS, deployment, serving
from tests.uploads_app.spooled import Spooled
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import INCOMING, MARKER, PREFIX, object_key
from uploads_app.storage.s3_store import S3Store

SOON = timedelta(hours=1)


def new_key(prefix: str = PREFIX) -> str:
    return object_key(uuid.uuid4(), uuid.uuid4(), "pdf").replace(PREFIX, prefix, 1)


@pytest.fixture
def visitor(db: None) -> Visitor:
    """A visitor with a session; server errors are answered and not raised."""
    visitor = started()
    visitor.raise_request_exception = False
    return visitor


def bucket_store() -> S3Store:
    store = storages["uploads"]
    assert isinstance(store, S3Store)
    return store


def test_file_is_stored_downloaded_and_deleted(db: None, s3: Bucket) -> None:
    visitor, body = started(), pdf(size=2 * 1024 * 1024)

    upload = uploaded(visitor, body)

    assert s3.keys() == {MARKER, upload.key}
    assert visitor.download(str(upload.pk)) == body == s3.read(upload.key)
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    upload.refresh_from_db()
    assert upload.status == UploadStatus.DELETED
    assert s3.keys() == {MARKER}


@pytest.mark.slow
def test_every_web_server_thread_reaches_the_bucket(s3: Bucket, tmp_path: Path) -> None:
    bodies = [pdf(f"file {number}") for number in range(3)]
    with serving(deployment(tmp_path / "data", s3.url), WAITRESS) as server:
        answers = at_once(3, lambda number: server.upload(bodies[number]))

    assert [answer.status for answer in answers] == [201] * 3
    assert sorted(s3.read(key) for key in s3.keys("uploads/")) == sorted(bodies)


def test_an_uploaded_file_is_read_once(s3: Bucket) -> None:
    class Counting(Spooled):
        bytes_read = 0

        def read(self, size: int = -1) -> bytes:
            data: bytes = self.file.read(size)  # type: ignore[union-attr]
            self.bytes_read += len(data)
            return data

    body, key = pdf(size=3 * 1024 * 1024), new_key()
    with Counting(body) as spooled:
        written = object_store().put(key, iter(()), spooled)

    assert spooled.bytes_read == len(body)
    assert (written.size, written.sha256) == (len(body), hashlib.sha256(body).hexdigest())
    assert s3.read(key) == body


def test_threads_and_requests_share_one_client(s3: Bucket) -> None:
    clients = at_once(4, lambda _: bucket_store().client)

    assert {id(client) for client in clients} == {id(bucket_store().client)}


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"region_name": "eu-central-1"}, "https://maria.s3.eu-central-1.amazonaws.com/"),
        ({"endpoint_url": "https://s3.example:8333"}, "https://s3.example:8333/maria/"),
        (
            {
                "endpoint_url": "http://127.0.0.1:8333",
                "public_endpoint_url": "https://files.example",
            },
            "https://files.example/maria/",
        ),
    ],
)
def test_urls_use_the_endpoint_that_browsers_reach(options: dict[str, str], start: str) -> None:
    store = S3Store(bucket_name="maria", access_key="key", secret_key="secret", **options)

    url = store.download_url(
        "uploads/a.pdf", name='the "last" one.pdf', content_type="application/pdf", lifetime=SOON
    )
    form = store.upload_form("incoming/a.pdf", content_type="a/b", size=1, lifetime=SOON)

    parts = urlsplit(url or "")
    assert url is not None
    assert url.startswith(f"{start}uploads/a.pdf?")
    assert form.url.rstrip("/") == start.rstrip("/")
    assert parse_qs(parts.query)["response-content-disposition"] == [
        'attachment; filename="the \\"last\\" one.pdf"'
    ]


def test_bucket_cannot_be_read_without_a_key(db: None, s3: Bucket) -> None:
    upload = uploaded(started())

    for path in ("", "?list-type=2", "?versions", upload.key, MARKER):
        answer = requests.get(f"{s3.endpoint}/{s3.name}/{path}", timeout=60)
        assert answer.status_code == 403, path
        assert b"<Contents>" not in answer.content
        assert not answer.content.startswith(b"%PDF")


def test_t63_old_temporary_objects_are_removed(db: None, s3: Bucket, settings: Any) -> None:
    live = uploaded(started())
    arrived = s3.plant(new_key(INCOMING))
    for key in (new_key(INCOMING), new_key()):
        begun = s3.client.create_multipart_upload(Bucket=s3.name, Key=key)
        s3.client.upload_part(
            Bucket=s3.name, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"part"
        )

    settled("--older-than", "0s")  # a lease of 15 minutes may still be valid
    assert s3.keys(INCOMING) == {arrived}
    assert len(multipart_uploads(s3)) == 2

    settings.UPLOAD_LEASE = timedelta(0)
    result = settled("--older-than", "0s", "--json")
    assert len(result.found["temporary files"]) == 3
    assert multipart_uploads(s3) == []
    assert s3.keys() == {MARKER, live.key}


def multipart_uploads(s3: Bucket) -> list[Any]:
    return list(s3.client.list_multipart_uploads(Bucket=s3.name).get("Uploads", []))


def test_only_temporary_objects_can_be_deleted_as_temporary(s3: Bucket) -> None:
    store = object_store()
    for name in (s3.plant(new_key()), s3.plant(f"quarantine/{new_key()}"), s3.plant(MARKER)):
        with pytest.raises(ValueError, match="not a temporary file"):
            store.delete_temporary(name)
    store.delete_temporary(f"{new_key()}?uploadId=gone")

    assert len(s3.keys()) == 3
    assert list(store.temporary_files(datetime.now(UTC) + SOON)) == []


@pytest.mark.parametrize("switched_on", ["before", "while we run"])
def test_t61_deletion_and_erasure_remove_all_versions(
    db: None, s3: Bucket, switched_on: str
) -> None:
    if switched_on == "while we run":
        object_store().delete(s3.plant(new_key()))
    s3.make_versioned()
    visitor = started()
    deleted, erased = uploaded(visitor), uploaded(visitor)
    for upload in (deleted, erased):
        s3.plant(upload.key)  # creates an older version

    assert visitor.delete_upload(str(deleted.pk)).status_code == 204
    assert [key for key in s3.versions() if key.startswith(PREFIX)] == 2 * [erased.key]
    assert visitor.erase().status_code == 204

    assert [key for key in s3.versions() if key.startswith(PREFIX)] == []
    assert visitor.row.erased_at is not None


def test_deletion_reports_the_remaining_keys(s3_process: S3Server, settings: Any) -> None:
    s3 = s3_process.make(f"locked-{uuid.uuid4()}", with_locks=True)
    settings.STORAGES = s3.storages(settings)
    kept, free = s3.plant(new_key()), s3.plant(new_key())
    hold = s3.client.put_object_legal_hold
    hold(Bucket=s3.name, Key=kept, LegalHold={"Status": "ON"})

    failed = object_store().delete_many([free, kept, new_key()])

    assert list(failed) == [kept]
    assert "AccessDenied" in failed[kept]
    assert s3.keys() == {kept}
    with pytest.raises(OSError, match="AccessDenied"):
        object_store().delete(kept)
    hold(Bucket=s3.name, Key=kept, LegalHold={"Status": "OFF"})
    object_store().delete(kept)
    s3_process.remove(s3)


def test_read_only_key_stores_and_loses_nothing(
    visitor: Visitor, s3: Bucket, settings: Any
) -> None:
    upload = uploaded(visitor)
    settings.STORAGES = s3.storages(settings, access_key=READER, secret_key=READER)

    assert visitor.download(str(upload.pk)) == s3.read(upload.key)
    refused = visitor.upload()
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert visitor.delete_upload(str(upload.pk)).status_code == 204
    upload.refresh_from_db()
    assert upload.status == UploadStatus.DELETING
    assert s3.keys("uploads/") == {upload.key}
    assert set(UploadedFile.objects.values_list("status", flat=True)) == {"deleting", "lapsed"}


def test_missing_bucket_is_not_an_empty_bucket(visitor: Visitor, s3: Bucket, settings: Any) -> None:
    upload = uploaded(visitor)
    settings.STORAGES = s3.storages(settings, bucket_name=f"absent-{uuid.uuid4()}")

    assert visitor.upload().json()["code"] == "storage_unavailable"
    assert visitor.get("/health/ready").json()["parts"]["storage"] == "degraded"
    result = cleanup("--older-than", "0s")
    assert (result.exit_code, "storage_unavailable" in result.err) == (3, True)
    upload.refresh_from_db()
    assert upload.status == UploadStatus.STORED


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The product's log with LOG_LEVEL=DEBUG."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(RedactingJsonFormatter("%(name)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield text
    root.setLevel(before)
    root.removeHandler(handler)


def test_secrets_and_signatures_are_not_logged(
    visitor: Visitor, s3: Bucket, settings: Any, log: io.StringIO
) -> None:
    upload = uploaded(visitor, name="my-secret-diary.pdf")
    store = object_store()
    store.download_url(upload.key, name=upload.name, content_type="application/pdf", lifetime=SOON)
    store.upload_form(new_key(), content_type="application/pdf", size=1, lifetime=SOON)
    settings.STORAGES = s3.storages(settings, secret_key="wrong")
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 503
    settings.STORAGES = s3.storages(settings, endpoint_url="http://127.0.0.1:1")
    assert visitor.get(f"/api/v1/uploads/{upload.pk}/download/").status_code == 503

    written = log.getvalue()
    assert "SignatureDoesNotMatch" in written
    assert "Could not connect" in written
    assert "/health/" not in written
    for secret in (SECRET_KEY, "AWS4-HMAC", "Signature=", "X-Amz-Signature", "diary"):
        assert secret not in written

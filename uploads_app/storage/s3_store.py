"""Objects in a private S3 bucket.

django-storages provides settings, credentials and clients. Its own methods
rename an object whose key is taken and wait without a limit, so the requests
are made here. https://docs.aws.amazon.com/AmazonS3/latest/API/
"""

import base64
import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import IO, cast

from django.utils.http import content_disposition_header

from uploads_app.storage.base import (
    DirectUploadForm,
    Marker,
    OneByOne,
    StoredBytes,
    StoredObject,
    sha256_of,
)
from uploads_app.storage.keys import INCOMING, MARKER, PREFIX, is_own
from uploads_app.storage.s3_connection import S3Connection
from uploads_app.storage.s3_requests import StoreAway, delete_batches, translated
from uploads_app.storage.spool import SpooledFile

_CHUNK = 64 * 1024
_IN_MEMORY = 1024 * 1024


class S3Store(OneByOne, S3Connection):
    """An ObjectStore in a bucket; the options are those of django-storages' S3Storage.

    Set `public_endpoint_url` if browsers reach the store at another address
    than the application does.
    """

    offers_forms = True
    offers_files = False
    marker_seconds = 15.0

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        if spooled is not None:
            spooled.seek(0)
            return self._send(key, spooled, StoredBytes(spooled.size, spooled.sha256))
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
            digest, size = hashlib.sha256(), 0
            for chunk in chunks:
                body.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            body.seek(0)
            return self._send(key, body, StoredBytes(size, digest.hexdigest()))

    def open(self, name: str, mode: str = "rb") -> IO[bytes]:
        """Fetch the whole object first, so that no caller reads half of it."""
        body = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (the caller closes it)
        try:
            with self.requesting(name):
                answer = self.client.get_object(Bucket=self.bucket_name, Key=name)
                for chunk in answer["Body"].iter_chunks(_CHUNK):
                    body.write(chunk)
                if body.tell() != answer["ContentLength"]:
                    raise OSError(f"{name} ended early, after {body.tell()} bytes")
        except BaseException:
            body.close()
            raise
        body.seek(0)
        return cast(IO[bytes], body)

    def lock_object(self, key: str, until: datetime) -> None:
        if self.locks_objects:
            with self.requesting(key):
                self.client.put_object_retention(
                    Bucket=self.bucket_name,
                    Key=key,
                    Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until},
                )

    def has_file(self, key: str) -> bool:
        return False

    def describe(self, key: str) -> StoredObject | None:
        try:
            with self.requesting(key):
                answer = self.client.head_object(Bucket=self.bucket_name, Key=key)
        except FileNotFoundError:
            return None
        return StoredObject(key, answer["ContentLength"], answer["LastModified"])

    def delete(self, name: str) -> None:
        for key, reason in self.delete_many([name]).items():
            raise OSError(f"{key}: {reason}")

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        if not keys:
            return {}
        with self.requesting(keys[0]):
            targets = [{"Key": key} for key in keys]
            if self.is_versioned:
                targets = [version for key in keys for version in self._versions(key)]
            failed, hidden = delete_batches(self.client, self.bucket_name, targets)
            if hidden:  # versioning was enabled after `is_versioned` was read
                self.is_versioned = True
                failed |= self.delete_many(hidden)
            return failed

    def move(self, key: str, target: str) -> None:
        source = self.describe(key)
        if source is None:
            if self.describe(target) is None:
                raise FileNotFoundError(key)
            return
        if self.describe(target) is None:
            with self.requesting(key):
                self.client.copy_object(
                    Bucket=self.bucket_name,
                    Key=target,
                    CopySource={"Bucket": self.bucket_name, "Key": key},
                )
        elif sha256_of(self, key) != sha256_of(self, target):
            raise FileExistsError(target)
        if self.describe(target) and self.describe(key) == source:  # nobody moved it back meanwhile
            self.delete(key)

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        for page in self.pages("list_objects_v2", Prefix=f"{prefix}/", StartAfter=after):
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], item["LastModified"])

    def read_marker(self) -> Marker | None:
        try:
            with self.open(MARKER) as file:
                return Marker.from_bytes(file.read())
        except FileNotFoundError:
            return None

    def create_marker(self, marker: Marker) -> None:
        self.put(MARKER, [marker.to_bytes()])

    def write_marker(self, marker: Marker) -> None:
        with self.requesting(MARKER):
            self.client.put_object(Bucket=self.bucket_name, Key=MARKER, Body=marker.to_bytes())

    def swap_marker(self, old: Marker, new: Marker) -> bool:
        try:
            with self.requesting(MARKER):
                answer = self.client.get_object(Bucket=self.bucket_name, Key=MARKER)
                if Marker.from_bytes(answer["Body"].read()) != old:
                    return False
                self.client.put_object(
                    Bucket=self.bucket_name,
                    Key=MARKER,
                    Body=new.to_bytes(),
                    IfMatch=answer["ETag"],
                )
        except FileNotFoundError:
            return False
        except FileExistsError:  # it was changed, perhaps by a first attempt whose answer was lost
            return self.read_marker() == new
        return True

    def clock(self) -> datetime:
        with self.requesting(self.bucket_name):
            answer = self.client.head_bucket(Bucket=self.bucket_name)
        return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])

    def temporary_files(self, before: datetime) -> Iterator[str]:
        """Yield multipart uploads that were not completed, and direct uploads that were not stored."""
        for page in self.pages("list_multipart_uploads"):
            for upload in page.get("Uploads", []):
                if upload["Initiated"] < before and is_own(upload["Key"]):
                    yield f"{upload['Key']}?uploadId={upload['UploadId']}"
        for arrived in self.list_objects(INCOMING):
            if arrived.modified < before and is_own(arrived.key):
                yield arrived.key

    def delete_temporary(self, name: str) -> None:
        key, is_multipart, upload_id = name.partition("?uploadId=")
        if is_multipart:
            with suppress(FileNotFoundError), self.requesting(key):
                self.client.abort_multipart_upload(
                    Bucket=self.bucket_name, Key=key, UploadId=upload_id
                )
        elif key.startswith(f"{INCOMING}/"):
            self.delete(key)
        else:
            raise ValueError(f"{name} is not a temporary file")

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        with translated(key):
            answer = self.public_client.generate_presigned_post(
                self.bucket_name,
                key,
                Fields={"Content-Type": content_type},
                Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
                ExpiresIn=int(lifetime.total_seconds()),
            )
        return DirectUploadForm(answer["url"], answer["fields"])

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        with translated(key):
            url: str = self.public_client.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self.bucket_name,
                    "Key": key,
                    "ResponseContentDisposition": content_disposition_header(True, name),
                    "ResponseContentType": content_type,
                    "ResponseCacheControl": "private, no-store",
                },
                ExpiresIn=int(lifetime.total_seconds()),
            )
        return url

    @cached_property
    def is_versioned(self) -> bool:
        """Whether the bucket keeps versions; then a deletion must name each of them."""
        with self.requesting(self.bucket_name):
            answer = self.client.get_bucket_versioning(Bucket=self.bucket_name)
        return "Status" in answer

    @cached_property
    def locks_objects(self) -> bool:
        """Whether the bucket has Object Lock, as far as the application's key may know."""
        try:
            with self.requesting(self.bucket_name):
                self.client.get_object_lock_configuration(Bucket=self.bucket_name)
        except StoreAway:
            raise
        except OSError:  # it has none, or the key may not ask
            return False
        return True

    def _send(self, key: str, body: IO[bytes], content: StoredBytes) -> StoredBytes:
        with self.requesting(key):
            self.client.put_object(
                Bucket=self.bucket_name,
                Key=key,
                Body=body,
                ContentLength=content.size,
                IfNoneMatch="*",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(content.sha256)).decode(),
            )
        return content

    def _versions(self, key: str) -> Iterator[dict[str, str]]:
        for page in self.pages("list_object_versions", Prefix=key):
            for version in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                if version["Key"] == key:
                    yield {"Key": key, "VersionId": version["VersionId"]}

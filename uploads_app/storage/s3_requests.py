"""Requests to S3: their limits, errors as OSError, and listings page by page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from uploads_app.storage.base import ListingIncomplete

# Two attempts of 12 s each: a store that does not respond blocks a request for 24 s at most.
BOUNDED = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"total_max_attempts": 2, "mode": "standard"},
    signature_version="s3v4",
    # At least as many as a web process has threads.
    max_pool_connections=32,
    # The checksum of the body is signed. A signature of the body would read the file twice.
    s3={"payload_signing_enabled": False},
)
ABSENT = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
_TAKEN = frozenset({"412", "PreconditionFailed"})
# How each listing continues: a parameter, and the field of the last page with its value.
_NEXT = {
    "list_objects_v2": [("ContinuationToken", "NextContinuationToken")],
    "list_multipart_uploads": [
        ("KeyMarker", "NextKeyMarker"),
        ("UploadIdMarker", "NextUploadIdMarker"),
    ],
    "list_object_versions": [
        ("KeyMarker", "NextKeyMarker"),
        ("VersionIdMarker", "NextVersionIdMarker"),
    ],
}


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise FileNotFoundError, FileExistsError or OSError for the errors of boto3."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise FileNotFoundError(what) from error
        if code in _TAKEN:
            raise FileExistsError(what) from error
        raise OSError(f"{what}: {error}") from error
    except (BotoCoreError, HTTPError) as error:
        raise OSError(f"{what}: {error}") from error


def pages(client: Any, operation: str, **parameters: str) -> Iterator[dict[str, Any]]:
    """Yield every page of a listing; raises ListingIncomplete if it cannot be read to its end."""
    request = getattr(client, operation)
    parameters = {name: value for name, value in parameters.items() if value}
    while True:
        try:
            with translated(operation):
                page = request(**parameters)
        except OSError as error:
            raise ListingIncomplete(str(error)) from error
        following = _NEXT[operation]
        if page.get("IsTruncated") not in (True, False):
            raise ListingIncomplete(
                f"{operation}: the response does not say whether it is complete"
            )
        if page["IsTruncated"] and following[0][1] not in page:
            raise ListingIncomplete(f"{operation}: the response does not say where it continues")
        yield page
        if not page["IsTruncated"]:
            return
        parameters |= {name: page[key] for name, key in following if key in page}

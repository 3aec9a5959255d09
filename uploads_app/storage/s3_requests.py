"""Requests to S3: their limits, errors as OSError, and listings page by page."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError
from urllib3.exceptions import HTTPError

from uploads_app.storage.base import ListingIncomplete

# Two attempts of 10 s each: a store that does not respond blocks a request for 21 s at most.
BOUNDED = Config(
    connect_timeout=2,
    read_timeout=8,
    retries={"total_max_attempts": 2, "mode": "standard"},
    signature_version="s3v4",
    # At least as many as a web process has threads.
    max_pool_connections=32,
    # The checksum of the body is signed. A signature of the body would read the file twice.
    s3={"payload_signing_enabled": False},
)
# A question that only asks whether the store answers.
BRIEF = BOUNDED.merge(Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1}))
BATCH = 1000
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


class StoreAway(OSError):
    """The store did not answer, or has not answered lately and was not asked again."""


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise FileNotFoundError, FileExistsError, StoreAway or OSError for the errors of boto3."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise FileNotFoundError(what) from error
        if code in _TAKEN:
            raise FileExistsError(what) from error
        raise OSError(f"{what}: {error}") from error
    except (ConnectionError, HTTPClientError, HTTPError) as error:
        raise StoreAway(f"{what}: {error}") from error
    except BotoCoreError as error:
        raise OSError(f"{what}: {error}") from error


def pages(
    request: Callable[..., Any], operation: str, **parameters: str
) -> Iterator[dict[str, Any]]:
    """Yield every page of a listing; raises ListingIncomplete if it cannot be read to its end."""
    parameters = {name: value for name, value in parameters.items() if value}
    while True:
        try:
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


def delete_batches(
    client: Any, bucket: str, targets: list[dict[str, str]]
) -> tuple[dict[str, str], list[str]]:
    """Delete keys or versions; return the error of each that failed, and keys that were only hidden."""
    failed: dict[str, str] = {}
    hidden: list[str] = []
    for start in range(0, len(targets), BATCH):
        answer = client.delete_objects(
            Bucket=bucket, Delete={"Objects": targets[start : start + BATCH]}
        )
        failed |= {
            error["Key"]: f"{error.get('Code')}: {error.get('Message')}"
            for error in answer.get("Errors", [])
            if error.get("Code") not in ABSENT
        }
        hidden += [
            done["Key"]
            for done in answer.get("Deleted", [])
            if done.get("DeleteMarker") and "VersionId" not in done
        ]
    return failed, hidden

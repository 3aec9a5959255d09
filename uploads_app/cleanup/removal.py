"""Deletes files by their rows. Each batch is a transaction, a deletion in the store, a transaction.

A row stops being live before its object is deleted, and becomes `deleted` after
that. After a crash in between, the next run finishes the deletion.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from uploads_app.cleanup.findings import FindingKind
from uploads_app.models import UploadedFile, UploadQuerySet, object_keys
from uploads_app.services.deletion import begin_deletions, close_deletions, lapse_uploads
from uploads_app.storage.base import object_store

logger = logging.getLogger(__name__)


@dataclass
class RemovalResult:
    """The result of a batch: the keys that are done, with their bytes, and how many failed."""

    done: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def remove(
    kind: FindingKind, uploads: Sequence[UploadedFile], due: UploadQuerySet
) -> RemovalResult:
    """Delete those of the uploads that are still in `due`, the queue of `kind`.

    Raises OSError if the whole store fails; the next run then finishes the rows.
    """
    if kind == FindingKind.LAPSED:
        return _lapse(uploads, due)
    if kind == FindingKind.PAST_RETENTION:
        uploads = begin_deletions(uploads, due, reason="retention")
    return _finish(uploads)


def delete_objects(keys: Sequence[str]) -> dict[str, str]:
    """Delete objects. Return and log the reason for each that could not be deleted."""
    failed = object_store().delete_many(keys)
    for key, reason in failed.items():
        logger.error("storage did not delete %s: %s", key, reason)
    return failed


def _lapse(uploads: Sequence[UploadedFile], due: UploadQuerySet) -> RemovalResult:
    """Mark uploads as lapsed and free their quota. Reconciling finds objects that arrive later."""
    lapsed = lapse_uploads(uploads, due)
    failed = delete_objects([key for upload in lapsed for key in object_keys(upload)])
    done = {row.key: row.size for row in lapsed if not failed.keys() & set(object_keys(row))}
    return RemovalResult(done, len(failed))


def _finish(uploads: Sequence[UploadedFile]) -> RemovalResult:
    failed = delete_objects([key for upload in uploads for key in object_keys(upload)])
    deleted = [upload for upload in uploads if not failed.keys() & set(object_keys(upload))]
    done = close_deletions(deleted)
    return RemovalResult({upload.key: upload.size for upload in done}, len(failed))

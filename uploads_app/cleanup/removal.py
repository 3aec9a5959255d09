"""Completes and deletes files by their rows. Each batch is a transaction, a deletion in the store, a transaction.

A row stops being live before its object is deleted, and becomes `deleted` after
that. After a crash in between, the next run finishes the deletion.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from uploads_app.cleanup.findings import FindingKind
from uploads_app.models import UploadedFile, UploadQuerySet, object_keys
from uploads_app.services.deletion import (
    begin_deletions,
    close_deletions,
    lapse_uploads,
    still_deleting,
)
from uploads_app.services.recovery import complete_lapsed, has_arrived
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import incoming_key, quarantine_key

logger = logging.getLogger(__name__)


@dataclass
class RemovalResult:
    """The result of a batch: the keys that are done, with their bytes, and how many failed."""

    done: dict[str, int] = field(default_factory=dict)
    failed: int = 0


def remove(
    kind: FindingKind, uploads: Sequence[UploadedFile], due: UploadQuerySet
) -> RemovalResult:
    """Complete or delete those of the uploads that are still in `due`, the queue of `kind`.

    Raises OSError if the whole store fails; the next run then finishes the rows.
    """
    if kind == FindingKind.ARRIVED:
        return _complete(uploads, due)
    if kind == FindingKind.LAPSED:
        return _lapse(uploads, due)
    if kind == FindingKind.PAST_RETENTION:
        return _finish(begin_deletions(uploads, due, reason="retention"))
    return _finish(still_deleting(uploads))


def delete_objects(keys: Sequence[str]) -> dict[str, str]:
    """Delete objects. Return and log the reason for each that could not be deleted."""
    failed = object_store().delete_many(keys)
    for key, reason in failed.items():
        logger.error("storage did not delete %s: %s", key, reason)
    return failed


def applies(kind: FindingKind, upload: UploadedFile) -> bool:
    """Return whether the store confirms what the row of an upload says; raises OSError.

    What lies whole under the key of a lapsed upload is never deleted: its visitor may
    have the answer 201. What lies in the trash returns to its key first.
    """
    if kind == FindingKind.ARRIVED:
        return has_arrived(upload)
    if kind == FindingKind.LAPSED:
        return object_store().describe(quarantine_key(upload.key)) is None and not has_arrived(
            upload
        )
    return True


def _complete(uploads: Sequence[UploadedFile], due: UploadQuerySet) -> RemovalResult:
    result = RemovalResult()
    for upload in uploads:
        try:
            if complete_lapsed(upload=upload, among=due):
                result.done[upload.key] = upload.size
        except OSError:
            logger.exception("storage did not return %s", upload.key)
            result.failed += 1
    return result


def _lapse(uploads: Sequence[UploadedFile], due: UploadQuerySet) -> RemovalResult:
    """Mark uploads as lapsed and free their quota. An object at their key goes to the trash later."""
    lapsed = lapse_uploads(uploads, due)
    failed = delete_objects([incoming_key(upload.key) for upload in lapsed if upload.direct])
    done = {row.key: row.size for row in lapsed if incoming_key(row.key) not in failed}
    return RemovalResult(done, len(failed))


def _finish(uploads: Sequence[UploadedFile]) -> RemovalResult:
    """Delete the objects of uploads that are `deleting`, as their locks have just shown."""
    failed = delete_objects([key for upload in uploads for key in object_keys(upload)])
    deleted = [upload for upload in uploads if not failed.keys() & set(object_keys(upload))]
    done = close_deletions(deleted)
    return RemovalResult({upload.key: upload.size for upload in done}, len(failed))

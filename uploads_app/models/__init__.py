"""Uploads, quotas, cleanup runs and the state of the store."""

from uploads_app.models.run import CleanupRun, RunStatus
from uploads_app.models.statuses import (
    IN_QUOTA,
    VISIBLE,
    WITH_OBJECT,
    Inspection,
    Suspicion,
    UploadStatus,
)
from uploads_app.models.store import KEY_LENGTH, Finding, StoreState, printable
from uploads_app.models.trash import (
    SESSION_ERASED,
    QuarantinedObject,
    TrashQuerySet,
    TrashStatus,
)
from uploads_app.models.upload import (
    TAKEOVER_AFTER,
    ErasureNote,
    UploadedFile,
    UploadQuerySet,
    UploadQuota,
    object_keys,
)

__all__ = [
    "IN_QUOTA",
    "KEY_LENGTH",
    "SESSION_ERASED",
    "TAKEOVER_AFTER",
    "VISIBLE",
    "WITH_OBJECT",
    "CleanupRun",
    "ErasureNote",
    "Finding",
    "Inspection",
    "QuarantinedObject",
    "RunStatus",
    "StoreState",
    "Suspicion",
    "TrashQuerySet",
    "TrashStatus",
    "UploadQuerySet",
    "UploadQuota",
    "UploadStatus",
    "UploadedFile",
    "object_keys",
    "printable",
]

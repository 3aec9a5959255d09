"""The audit events of files and of the cleanup."""

from audit_app.events import register
from audit_app.models import AuditOutcome, RetentionClass
from uploads_app.models.statuses import Suspicion

STORED = register(
    "upload.stored",
    "A file was stored completely.",
    "size",
    "sha256",
    "content_type",
    feed=True,
    activity="{who} uploaded {file}.",
)
REJECTED = register(
    "upload.rejected",
    "A file was refused for its name, type or size.",
    "code",
    "repeated",
    outcome=AuditOutcome.DENIED,
    activity="{file} was refused for its name, type or size.",
    story="{file} was refused",
    words={
        "file_too_large": "it is too large",
        "name_not_allowed": "its name is not allowed",
        "type_not_allowed": "its type is not allowed",
        "content_mismatch": "its content does not match its name",
    },
    retention=RetentionClass.REFUSAL,
)
QUOTA_EXCEEDED = register(
    "upload.quota_exceeded",
    "A session requested more files or bytes than its quota allows.",
    "max_files",
    "max_total_bytes",
    "repeated",
    outcome=AuditOutcome.DENIED,
    activity="{file} was refused, because there was no room left.",
    story="{file} was refused: the session may have at most {max_files} files and {max_total_bytes}",
    retention=RetentionClass.REFUSAL,
)
QUOTA_CORRECTED = register(
    "upload.quota_corrected",
    "The quota of a session did not fit its files, and was counted anew.",
    "files",
    "bytes",
    "files_before",
    "bytes_before",
    activity="The size of your files was counted anew.",
    story="The quota was counted anew: {files} files, {bytes}",
    technical=True,
)
DELETED = register(
    "upload.deleted",
    "A file's bytes were deleted: by its visitor, at the end of its retention, or by an erasure.",
    "reason",
    "size",
    "sha256",
    feed=True,
    activity="{who} deleted {file}.",
    words={
        "visitor": "",
        "retention": "its retention was over",
        "erased": "its session was erased",
    },
)
DOWNLOADED = register(
    "upload.downloaded",
    "A service or the visitor downloaded a file; for the visitor at most one row an hour for each file.",
    "size",
    "repeated",
    activity="{who} downloaded {file}.",
)
LAPSED = register(
    "upload.lapsed",
    "An upload did not finish: its lease ended, or the store failed.",
    "reason",
    activity="The upload of {file} was not completed.",
    words={
        "lease": "the upload did not finish in time",
        "storage_failed": "the store failed",
        "erased": "its session was erased",
        "visitor": "the visitor cancelled it",
        "too_late": "the session had ended",
        "not_given": "the transferred file was damaged or missing",
    },
)
MISSING = register(
    "upload.missing",
    "The object of a stored file is not in the store.",
    "size",
    "sha256",
    activity="The content of {file} could not be found.",
    story="The content of {file} is not in the store",
)
FOUND = register(
    "upload.found",
    "The object of a missing file is in the store again.",
    "size",
    "sha256",
    activity="The content of {file} was found again.",
    story="The content of {file} is in the store again",
)
OBJECT_PURGED = register(
    "object.purged",
    "The cleanup purged an object: its time in the trash was over, or its session was erased.",
    "reason",
    "size",
    activity="Remaining bytes of {file} were deleted.",
    words={
        "quarantine_over": "its time in the trash was over",
        "session_erased": "its session was erased",
        "gone": "there was nothing to move",
        "file_deleted": "its file was deleted",
        "file_lapsed": "its upload was not completed",
        "file_rejected": "its file was refused",
    },
    technical=True,
)
CLEANUP_COMPLETED = register(
    "cleanup.completed",
    "A cleanup run completed.",
    "run",
    "removed",
    "quarantined",
    "missing",
    "errors",
    story="Cleanup run {run} completed: {removed} deleted, {quarantined} to the trash, {missing} missing, {errors} errors",
)
CLEANUP_STOPPED = register(
    "cleanup.stopped",
    "A cleanup run stopped because something was wrong.",
    "run",
    "code",
    outcome=AuditOutcome.ERROR,
    story="Cleanup run {run} stopped",
)
CLEANUP_LIMIT_RAISED = register(
    "cleanup.limit_raised",
    "An operator allowed a run to accept more orphans, missing files and files past their retention than usual.",
    "share",
    story="{who} allowed a cleanup run to accept up to {share}",
    retention=RetentionClass.SECURITY,
)
CLOCK_ACCEPTED = register(
    "cleanup.clock_accepted",
    "An operator confirmed that the clock is right, after a long silence.",
    story="{who} confirmed that the clock is right",
    retention=RetentionClass.SECURITY,
)
QUARANTINED = register(
    "upload.quarantined",
    "Staff quarantined a file.",
    "reason",
    activity="{who} blocked {file} for safety.",
    story="{who} put {file} in quarantine",
    words={"adopted": "it was in quarantine before a restore"},
    retention=RetentionClass.SECURITY,
)
RESTORED = register(
    "upload.restored",
    "Staff restored a file from quarantine, or transferred it to the visitor's current session.",
    "reason",
    "from_session",
    "from_upload",
    "to_session",
    "to_upload",
    activity="{who} restored {file}.",
)
STAFF_DOWNLOADED = register(
    "staff.file_downloaded",
    "A staff member downloaded a file.",
    "reason",
    "size",
    activity="{who} downloaded {file}.",
    retention=RetentionClass.SECURITY,
)
INSPECTED = register(
    "upload.inspected",
    "The inspection of a file ended.",
    "verdict",
    "suspicions",
    activity="{file} was inspected.",
    words={
        "clean": "nothing was found",
        "suspect": "suspicious",
        "unreadable": "it cannot be read",
        "unsupported": "this type is not inspected",
        **dict(Suspicion.choices),
    },
    technical=True,
)
STARTED = register(
    "upload.started",
    "A browser got a form to send a file to the store directly.",
    "size",
    activity="{who} started to upload {file}.",
    technical=True,
)
OBJECT_QUARANTINED = register(
    "object.quarantined",
    "The cleanup moved an object that no file claims to the trash, or found it there.",
    "size",
    story="{who} moved an object without a file to the trash",
)
OBJECT_RESTORED = register(
    "object.restored",
    "An object was restored from the trash: by staff, or by the cleanup for the file that claims it.",
    "size",
    story="{who} restored an object from the trash",
)
DATABASE_ADOPTED = register(
    "system.database_adopted",
    "An operator declared that this database and this store belong together.",
    "code",
    "generation",
    "erased",
    "recovered",
    story="{who} declared that this database and this store belong together",
    retention=RetentionClass.SECURITY,
)
STORAGE_MOVE_BEGAN = register(
    "storage.move_began",
    "An operator started to move files to another store.",
    "objects",
    "bytes",
    story="{who} started to move {objects} files, {bytes}, to another store",
    retention=RetentionClass.SECURITY,
)
STORAGE_MOVE_COMPLETED = register(
    "storage.move_completed",
    "A move of files to another store completed.",
    "moved",
    "bytes",
    "errors",
    "left",
    story="A move to another store completed: {moved} files, {bytes}, {errors} errors, {left} left",
    retention=RetentionClass.SECURITY,
)
STORAGE_MOVE_STOPPED = register(
    "storage.move_stopped",
    "A move of files to another store stopped because something was wrong.",
    "code",
    "moved",
    "bytes",
    outcome=AuditOutcome.ERROR,
    story="A move to another store stopped after {moved} files",
    retention=RetentionClass.SECURITY,
)

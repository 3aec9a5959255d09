"""The audit events of files and of the cleanup."""

from audit_app.events import register
from audit_app.models import AuditOutcome

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
)
QUOTA_EXCEEDED = register(
    "upload.quota_exceeded",
    "A session requested more files or bytes than its quota allows.",
    "max_files",
    "max_total_bytes",
    "repeated",
    outcome=AuditOutcome.DENIED,
    activity="{file} was refused, because there was no room left.",
)
QUOTA_CORRECTED = register(
    "upload.quota_corrected",
    "The quota of a session did not fit its files, and was counted anew.",
    "files",
    "bytes",
    "files_before",
    "bytes_before",
    activity="The size of your files was counted anew.",
)
DELETED = register(
    "upload.deleted",
    "A file's bytes were deleted: by its visitor, at the end of its retention, or by an erasure.",
    "reason",
    "size",
    "sha256",
    feed=True,
    activity="{who} deleted {file}.",
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
)
MISSING = register(
    "upload.missing",
    "The object of a stored file is not in the store.",
    "size",
    "sha256",
    activity="The content of {file} could not be found.",
)
FOUND = register(
    "upload.found",
    "The object of a missing file is in the store again.",
    "size",
    "sha256",
    activity="The content of {file} was found again.",
)
OBJECT_PURGED = register(
    "object.purged",
    "The cleanup purged an object: its time in the trash was over, or its session was erased.",
    "reason",
    "size",
    activity="Remaining bytes of {file} were deleted.",
)
CLEANUP_COMPLETED = register(
    "cleanup.completed",
    "A cleanup run completed.",
    "run",
    "removed",
    "quarantined",
    "missing",
    "errors",
)
CLEANUP_STOPPED = register(
    "cleanup.stopped",
    "A cleanup run stopped because something was wrong.",
    "run",
    "code",
    outcome=AuditOutcome.ERROR,
)
CLEANUP_LIMIT_RAISED = register(
    "cleanup.limit_raised",
    "An operator allowed a run to accept more orphans, missing files and files past their retention than usual.",
    "share",
)
CLOCK_ACCEPTED = register(
    "cleanup.clock_accepted", "An operator confirmed that the clock is right, after a long silence."
)
QUARANTINED = register(
    "upload.quarantined",
    "Staff quarantined a file.",
    "reason",
    activity="{who} blocked {file} for safety.",
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
)
INSPECTED = register(
    "upload.inspected",
    "The inspection of a file ended.",
    "verdict",
    "suspicions",
    activity="{file} was inspected.",
)
STARTED = register(
    "upload.started",
    "A browser got a form to send a file to the store directly.",
    "size",
    activity="{who} started to upload {file}.",
)
OBJECT_QUARANTINED = register(
    "object.quarantined",
    "The cleanup moved an object that no file claims to the trash, or found it there.",
    "size",
)
OBJECT_RESTORED = register(
    "object.restored",
    "An object was restored from the trash: by staff, or by the cleanup for the file that claims it.",
    "size",
)
DATABASE_ADOPTED = register(
    "system.database_adopted",
    "An operator declared that this database and this store belong together.",
    "code",
    "generation",
    "erased",
    "recovered",
)
STORAGE_MOVE_BEGAN = register(
    "storage.move_began", "An operator started to move files to another store.", "objects", "bytes"
)
STORAGE_MOVE_COMPLETED = register(
    "storage.move_completed",
    "A move of files to another store completed.",
    "moved",
    "bytes",
    "errors",
    "left",
)
STORAGE_MOVE_STOPPED = register(
    "storage.move_stopped",
    "A move of files to another store stopped because something was wrong.",
    "code",
    "moved",
    "bytes",
    outcome=AuditOutcome.ERROR,
)

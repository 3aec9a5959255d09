"""The audit events of files and of the cleanup."""

from audit_app.events import register
from audit_app.models import AuditOutcome

STORED = register(
    "upload.stored", "A file was stored whole.", "size", "sha256", "content_type", feed=True
)
REJECTED = register(
    "upload.rejected",
    "A file was refused for its type or size.",
    "code",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
QUOTA_EXCEEDED = register(
    "upload.quota_exceeded",
    "A session asked for more files or bytes than it may hold.",
    "max_files",
    "max_total_bytes",
    "repeated",
    outcome=AuditOutcome.DENIED,
)
DELETED = register(
    "upload.deleted",
    "A file's bytes were removed: by its visitor, or because its retention was over.",
    "reason",
    "size",
    "sha256",
    feed=True,
)
DOWNLOADED = register("upload.downloaded", "A service read a file.", "size")
LAPSED = register(
    "upload.lapsed", "An upload never finished: its lease ran out, or storage failed.", "reason"
)
MISSING = register(
    "upload.missing", "A stored file's object is gone from storage.", "size", "sha256"
)
FOUND = register("upload.found", "A missing file's object is back in storage.", "size", "sha256")
OBJECT_PURGED = register(
    "object.purged",
    "The cleanup removed an object for good: it arrived after its file was gone, or its time in "
    "quarantine was over.",
    "reason",
    "size",
)
CLEANUP_COMPLETED = register(
    "cleanup.completed",
    "A cleanup run ended.",
    "run",
    "removed",
    "quarantined",
    "missing",
    "errors",
)
CLEANUP_STOPPED = register(
    "cleanup.stopped",
    "A cleanup run stopped, because something was wrong.",
    "run",
    "code",
    outcome=AuditOutcome.ERROR,
)
CLEANUP_LIMIT_RAISED = register(
    "cleanup.limit_raised",
    "Somebody let a run remove more than is plausible.",
    "share",
)
QUARANTINED = register("upload.quarantined", "Staff put a file out of reach.", "reason")
RESTORED = register(
    "upload.restored",
    "Staff gave a file back: to its session, or to the session that its visitor has now.",
    "reason",
    "from_session",
    "from_upload",
    "to_session",
    "to_upload",
)
STAFF_DOWNLOADED = register(
    "staff.file_downloaded", "A staff member read a file.", "reason", "size"
)
INSPECTED = register("upload.inspected", "A look inside a file has ended.", "verdict", "suspicions")
STARTED = register(
    "upload.started", "A browser was told how to send a file to storage directly.", "size"
)
OBJECT_QUARANTINED = register(
    "object.quarantined", "The cleanup put an object aside that no row explains.", "size"
)
OBJECT_RESTORED = register("object.restored", "An object was given back from quarantine.", "size")
DATABASE_ADOPTED = register(
    "system.database_adopted",
    "Somebody said that this database and this store belong together from now on.",
    "code",
    "generation",
    "erased",
    "recovered",
)
STORAGE_MOVE_BEGAN = register(
    "storage.move_began", "Somebody began to move files to another store.", "objects", "bytes"
)
STORAGE_MOVE_COMPLETED = register(
    "storage.move_completed",
    "A move of files to another store ended.",
    "moved",
    "bytes",
    "errors",
    "left",
)
STORAGE_MOVE_STOPPED = register(
    "storage.move_stopped",
    "A move of files to another store stopped, because something was wrong.",
    "code",
    "moved",
    "bytes",
    outcome=AuditOutcome.ERROR,
)

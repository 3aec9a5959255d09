"""Object store, uploads and cleanup."""

from datetime import timedelta
from typing import Any

from maria_project.settings.deployment import DATA_DIR
from maria_project.settings.environment import (
    duration,
    env,
    private_folder,
    secret,
    storage_group,
)
from maria_project.settings.storage_url import moving, storage

STORAGES: dict[str, dict[str, Any]] = {
    # For the FileFields of apps that are added. The product stores its files in "uploads".
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {
            "location": DATA_DIR / "media",
            "file_permissions_mode": 0o600,
            "directory_permissions_mode": 0o700,
        },
    },
    "uploads": storage("STORAGE_URL", secret(env, "STORAGE_URL"), DATA_DIR / "storage"),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
if _previous_url := secret(env, "STORAGE_PREVIOUS_URL"):
    STORAGES |= moving(
        STORAGES["uploads"], storage("STORAGE_PREVIOUS_URL", _previous_url, DATA_DIR / "storage")
    )

UPLOAD_TYPES: list[str] = [ext.lower().lstrip(".") for ext in env.list("UPLOAD_TYPES", ["pdf"])]
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", 5 * 1024 * 1024)
UPLOAD_MAX_FILES = env.int("UPLOAD_MAX_FILES", 3)
UPLOAD_MAX_TOTAL_BYTES = env.int("UPLOAD_MAX_TOTAL_BYTES", UPLOAD_MAX_FILES * UPLOAD_MAX_BYTES)
UPLOAD_RETENTION = duration(env, "UPLOAD_RETENTION", timedelta(days=7))
COMPLETED_RETENTION = duration(env, "COMPLETED_RETENTION", timedelta(days=365))
UPLOAD_LEASE = duration(env, "UPLOAD_LEASE", timedelta(minutes=15))
CLEANUP_GRACE = duration(env, "CLEANUP_GRACE", timedelta(minutes=30))
# never, until_inspected or unless_clean
HOLD_DOWNLOADS = env.str("HOLD_DOWNLOADS", "never")
# Browsers may upload to the bucket directly, and download from it (stream or redirect).
DIRECT_UPLOADS = env.bool("DIRECT_UPLOADS", False)
DOWNLOADS = env.str("DOWNLOADS", "stream")
TRASH_RETENTION = duration(env, "TRASH_RETENTION", timedelta(days=7))

# A group of this machine that may read the store, for a proxy that sends the files.
STORAGE_GROUP = storage_group(env.str("STORAGE_GROUP", ""))
# The rights in a store on disk. The setgid bit gives new files the group of their folder.
FILE_UPLOAD_PERMISSIONS = 0o600 if STORAGE_GROUP is None else 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700 if STORAGE_GROUP is None else 0o2750
FILE_UPLOAD_HANDLERS = [
    "uploads_app.api.parsers.SizeLimitHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# Our own folder, so that the worker can delete what a killed process left in it.
FILE_UPLOAD_TEMP_DIR = private_folder(DATA_DIR / "spool")
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 1

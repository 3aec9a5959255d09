"""Object store, uploads and cleanup."""

from datetime import timedelta
from typing import Any

from maria_project.settings.deployment import DATA_DIR, WEB_PROCESSES
from maria_project.settings.environment import (
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
UPLOAD_RETENTION = env.duration("UPLOAD_RETENTION", timedelta(days=7))
COMPLETED_RETENTION = env.duration("COMPLETED_RETENTION", timedelta(days=365))
UPLOAD_LEASE = env.duration("UPLOAD_LEASE", timedelta(minutes=15))
CLEANUP_GRACE = env.duration("CLEANUP_GRACE", timedelta(minutes=30))
# never, until_inspected or unless_clean
HOLD_DOWNLOADS = env.str("HOLD_DOWNLOADS", "never")
# Browsers may upload to the bucket directly, and download from it (stream or redirect).
DIRECT_UPLOADS = env.bool("DIRECT_UPLOADS", False)
DOWNLOADS = env.str("DOWNLOADS", "stream")
TRASH_RETENTION = env.duration("TRASH_RETENTION", timedelta(days=7))

# A group of this machine that may read the store, for a proxy that sends the files.
STORAGE_GROUP = storage_group(env.str("STORAGE_GROUP", ""))
# The rights in a store on disk. The setgid bit gives new files the group of their folder.
FILE_UPLOAD_PERMISSIONS = 0o600 if STORAGE_GROUP is None else 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o700 if STORAGE_GROUP is None else 0o2750
FILE_UPLOAD_HANDLERS = ["uploads_app.api.parsers.SpoolHandler"]
# Our own folder, so that the worker can delete what a killed process left in it.
FILE_UPLOAD_TEMP_DIR = private_folder(DATA_DIR / "spool")
# Bytes of uploads that the web processes of this host hold while they arrive.
SPOOL_MAX_BYTES = env.int("SPOOL_MAX_BYTES", max(1024**3, 8 * UPLOAD_MAX_BYTES * WEB_PROCESSES))
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
DATA_UPLOAD_MAX_NUMBER_FILES = 1

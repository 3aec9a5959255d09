"""The product's settings with django-unused-media for the same rows and files."""

from maria_project.settings import *  # noqa: F403
from maria_project.settings import DATA_DIR, INSTALLED_APPS, STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "django_unused_media", "benchmarks.peer"]
MEDIA_ROOT = DATA_DIR / "storage" / "uploads"
STORAGES = {
    **STORAGES,
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "storage"},
    },
}

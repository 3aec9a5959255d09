"""The product's settings with django-unused-media for the same rows and files."""

from maria_project.settings import *  # noqa: F403
from maria_project.settings.apps import INSTALLED_APPS
from maria_project.settings.deployment import DATA_DIR
from maria_project.settings.uploads import STORAGES

INSTALLED_APPS = [*INSTALLED_APPS, "django_unused_media", "benchmarks.unused_media"]
MEDIA_ROOT = DATA_DIR / "storage" / "uploads"
STORAGES = {
    **STORAGES,
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": DATA_DIR / "storage"},
    },
}

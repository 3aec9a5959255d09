"""Django's default storage works, for the FileFields of apps that are added to the product."""

import stat
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage, storages

from uploads_app.storage.base import object_store


def test_a_file_of_another_app_is_private_and_not_among_the_uploads() -> None:
    assert "default" in storages.backends
    name = default_storage.save("reports/one.txt", ContentFile(b"a report"))
    path = Path(default_storage.path(name))
    try:
        assert path.read_bytes() == b"a report"
        assert path.is_relative_to(Path(settings.DATA_DIR) / "media")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert not list(object_store().list_objects())
    finally:
        default_storage.delete(name)

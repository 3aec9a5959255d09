"""The spool: `FILE_UPLOAD_TEMP_DIR` on the web host, where request bodies are stored while they arrive.

Most files of the web server have no name and end with it. An uploaded file has one, so that
a store on the same file system can link it. It is deleted when its request ends. A killed
process does not do that, so old files are deleted when a web process starts and by each
cleanup run.
"""

import hashlib
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile

# One client address may hold this part of SPOOL_MAX_BYTES.
SHARES = 4
# No request takes this long: servers close a connection after two minutes without data.
OLD = timedelta(hours=1)


class SpooledFile(TemporaryUploadedFile):
    """An uploaded file in the spool. It is hashed while it is written."""

    size: int

    def __init__(self, name: str | None) -> None:
        # Django appends the suffix of a client's name, which may be too long for a file.
        super().__init__("file", None, 0, None)
        self.name = name
        self._digest = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """Append bytes. The hash has only what is written in this way."""
        self._digest.update(data)
        self.write(data)

    @property
    def path(self) -> Path:
        return Path(self.temporary_file_path())

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


def sweep(older_than: timedelta = OLD) -> int:
    """Delete files that were last written before `older_than`; return their number."""
    before = time.time() - older_than.total_seconds()
    removed = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed

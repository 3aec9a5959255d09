"""Where the bytes of a body lie while they arrive: `FILE_UPLOAD_TEMP_DIR`, on the web host's own disk.

Django removes each file when its request ends. A process that is killed cannot,
so what is old is swept: when a web process starts, and by each cleanup run.
"""

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings

# No body takes as long: servers give a connection up after two minutes of silence.
OLD = timedelta(hours=1)


def sweep(older_than: timedelta = OLD) -> int:
    """Remove files that nothing has been written to for so long; return how many."""
    before = time.time() - older_than.total_seconds()
    removed = 0
    for path in Path(settings.FILE_UPLOAD_TEMP_DIR).glob("*.upload*"):
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed

"""The spool: `FILE_UPLOAD_TEMP_DIR` on the web host, where request bodies are stored while they arrive.

The files of the web server have no name and end with it. Django deletes its own when their
request ends. A killed process does not, so old files are deleted when a web process
starts and by each cleanup run.
"""

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings

# One client address may hold this part of SPOOL_MAX_BYTES.
SHARES = 4
# No request takes this long: servers close a connection after two minutes without data.
OLD = timedelta(hours=1)


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

"""Where tests keep what they throw away."""

import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3


def fast_folder() -> Path | None:
    """Return a folder in memory, if there is room; None means the system's temporary folder.

    Two campaigns that sync to one disk wait for each other.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else None

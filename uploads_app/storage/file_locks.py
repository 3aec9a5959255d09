"""A lock on a file that is replaced while others wait for it."""

import errno
import fcntl
import os
import time
from pathlib import Path
from typing import IO

# A lock is held for a few milliseconds, so 5 s are enough.
_TRIES, _PAUSE = 100, 0.05


def locked(path: Path) -> IO[bytes] | None:
    """Open and lock a file that others lock and replace, too; None if it is absent.

    Closing it releases the lock. Raises TimeoutError if its owner keeps it, because
    a suspended process keeps its locks.
    """
    for _ in range(_TRIES):
        try:
            file = path.open("rb+")
        except FileNotFoundError:
            return None
        if _is_locked(file, path):
            return file
        file.close()
        time.sleep(_PAUSE)
    raise TimeoutError(errno.ETIMEDOUT, "another process keeps the lock", str(path))


def _is_locked(file: IO[bytes], path: Path) -> bool:
    """Lock a file, unless another process has it or has replaced it meanwhile."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False

"""What the disk store reads about its files: their kinds, sizes and times."""

import os
import re
import stat
from datetime import UTC, datetime
from typing import NamedTuple

from uploads_app.storage.base import StoredObject

TEMPORARY_SUFFIX = ".part"
_TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{16}}\{TEMPORARY_SUFFIX}", re.DOTALL)


class ListedFile(NamedTuple):
    """A file in a listing, which is asked for its size and time only where they are needed."""

    key: str
    is_link: bool
    path: str

    def described(self) -> StoredObject | None:
        status = file_status(self.path)
        return describe(self.key, status) if status else None


def file_status(path: str) -> os.stat_result | None:
    """Return the status of a file or a link, None if it is absent."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def describe(key: str, status: os.stat_result) -> StoredObject:
    is_link = not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)
    is_temporary = (
        key.endswith(TEMPORARY_SUFFIX) and not is_link and is_temporary_name(key.rpartition("/")[2])
    )
    return StoredObject(key, status.st_size, modified(status), is_temporary, is_link)


def is_temporary_name(name: str) -> bool:
    """Return whether a name is one of `DiskStore.put`: other programs leave partial files, too."""
    return _TEMPORARY.fullmatch(name) is not None


def modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)

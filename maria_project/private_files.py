"""Which accounts of the machine may open the product's files: its own, and STORAGE_GROUP the store.

The umask covers new files. This module covers what an older version or another
umask has left wider.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

_OWNER = 0o700
# A new file gets the group of a folder with the setgid bit.
_READ_FOLDER, _READ_FILE, _PASS = 0o2050, 0o040, 0o010


@dataclass(frozen=True)
class _Layout:
    """The folders of the stores on disk, and the number of the group that may read them."""

    stores: tuple[Path, ...]
    group: int | None

    def is_in_a_store(self, path: Path) -> bool:
        return any(path.is_relative_to(store) for store in self.stores)

    def group_of(self, path: Path) -> int | None:
        """Return the group that a path must have, or None."""
        leads_to_a_store = any(path in store.parents for store in self.stores)
        return self.group if leads_to_a_store or self.is_in_a_store(path) else None

    def mode_of(self, path: Path, status: os.stat_result) -> int:
        """Return the mode that a path must have: never more rights for its owner than it has."""
        mode = status.st_mode & _OWNER
        if self.group_of(path) is None:
            return mode
        if self.is_in_a_store(path):
            return mode | (_READ_FOLDER if stat.S_ISDIR(status.st_mode) else _READ_FILE)
        return mode | _PASS

    def is_right(self, path: Path, status: os.stat_result) -> bool:
        is_mode_right = stat.S_IMODE(status.st_mode) == self.mode_of(path, status)
        return is_mode_right and self.group_of(path) in (None, status.st_gid)


def restrict() -> None:
    """Take rights of other accounts away, and give STORAGE_GROUP the store.

    Never fails: a start-up check reports what could not be changed.
    """
    layout = _layout()
    if layout.group is not None:
        for store in layout.stores:
            with suppress(OSError):
                store.mkdir(parents=True, exist_ok=True)
    for path in _wide_in_all(layout):
        with suppress(OSError):
            _correct(path, layout)


def wide() -> Iterator[Path]:
    """Yield each path of this account whose rights are not those that `restrict` gives it."""
    return _wide_in_all(_layout())


def _layout() -> _Layout:
    # While files move there are two stores; other entries are not for visitors' files.
    entries = (entry for name, entry in settings.STORAGES.items() if name.startswith("uploads"))
    folders = (entry.get("OPTIONS", {}).get("location") for entry in entries)
    stores = (Path(folder).resolve() for folder in folders if folder)
    return _Layout(tuple(stores), settings.STORAGE_GROUP)


def _wide_in_all(layout: _Layout) -> Iterator[Path]:
    for root in dict.fromkeys([settings.DATA_DIR, *layout.stores, *_database_files()]):
        yield from _wide(root.resolve(), layout)


def _wide(path: Path, layout: _Layout) -> Iterator[Path]:
    try:
        status = path.lstat()
    except OSError:  # deleted meanwhile
        return
    is_folder = stat.S_ISDIR(status.st_mode)
    # A folder that everybody shares, like /tmp, is not the product's.
    if status.st_mode & stat.S_ISVTX or not (is_folder or stat.S_ISREG(status.st_mode)):
        return
    is_right = layout.is_right(path, status)
    # A store may be large. A folder of it that is right hides what is in it, and becomes
    # right after its content, so that an interrupted start is continued by the next one.
    if is_folder and not (is_right and layout.is_in_a_store(path)):
        with suppress(OSError):
            for child in path.iterdir():
                yield from _wide(child, layout)
    if not is_right and status.st_uid == os.geteuid():
        yield path


def _correct(path: Path, layout: _Layout) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        # First, because a change of the group removes the setgid bit.
        if (group := layout.group_of(path)) is not None:
            os.fchown(descriptor, -1, group)
        os.fchmod(descriptor, layout.mode_of(path, os.fstat(descriptor)))
    finally:
        os.close(descriptor)


def _database_files() -> list[Path]:
    """Return the files of a SQLite database, which may be outside DATA_DIR."""
    database = settings.DATABASES["default"]
    if not database["ENGINE"].endswith("sqlite3"):
        return []
    return [Path(f"{database['NAME']}{suffix}") for suffix in ("", "-wal", "-shm")]

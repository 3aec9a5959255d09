"""Names of files that survive a power failure."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def link(source: Path, final: Path) -> None:
    """Give a synced file its final name; FileExistsError if another file has it."""
    try:
        os.link(source, final)
    except FileExistsError:
        sync_name(final)  # its writer may have died before this
        raise


def keep_name(final: Path) -> None:
    """Sync a new name, or remove it: it might not survive a power failure."""
    try:
        sync_name(final)
    except OSError:
        final.unlink()
        raise


def sync_name(path: Path) -> None:
    sync_names([path])


def sync_names(paths: Iterable[Path]) -> None:
    """Sync the names of files and of their folders, each folder once."""
    folders = {path.parent for path in paths}
    for folder in (*folders, *{folder.parent for folder in folders}):
        sync_folder(folder)


def sync_folder(folder: Path | str) -> None:
    """Sync the names in a folder, which may be absent."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def finish_deletions(folder: Path | str) -> None:
    """Sync the deletions in a folder, or remove the folder if it is empty."""
    try:
        os.rmdir(folder)  # noqa: PTH106  (a Path for each folder takes as long)
    except OSError:  # it is not empty, or does not exist
        sync_folder(folder)

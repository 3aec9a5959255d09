"""Lists the files below a folder in the order of their names, in constant memory."""

import heapq
import os
import pickle
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import IO

# More entries than this are sorted on disk.
_ENTRIES_IN_MEMORY = 20_000
_FILE, _FOLDER, _LINK = range(3)
_Entry = tuple[str, int]


def walk(folder: str, after: tuple[str, ...], levels: int) -> Iterator[tuple[str, bool]]:
    """Yield every file below `folder`, ordered by name at each level, and whether it is a link.

    A special file counts as a link. Paths up to `after`, which has one name for each
    level, are skipped without reading them. An empty folder below the `levels` of folders
    that the store makes is yielded, too. No file is opened or described.
    """
    for name, kind in _entries(folder):
        if after and name < after[0]:
            continue
        path = f"{folder}/{name}"
        if kind == _FOLDER:
            yield from walk(path, after[1:] if after and name == after[0] else (), levels - 1)
            if levels <= 0 and not any(os.scandir(path)):
                yield f"{path}/", False
        elif not after or name > after[0]:
            yield path, kind == _LINK


def _entries(folder: str) -> Iterator[_Entry]:
    """Return what is in a folder, ordered by name, in constant memory."""
    try:
        with os.scandir(folder) as found:
            entries = ((entry.name, _kind(entry)) for entry in found)
            first = sorted(islice(entries, _ENTRIES_IN_MEMORY))
            if len(first) < _ENTRIES_IN_MEMORY:
                return iter(first)
            runs = [_spilled(first)]
            while run := sorted(islice(entries, _ENTRIES_IN_MEMORY)):
                runs.append(_spilled(run))
            return heapq.merge(*runs)
    except FileNotFoundError:  # the last file of the session was deleted meanwhile
        return iter(())


def _kind(entry: os.DirEntry[str]) -> int:
    """Return the kind of an entry. Most file systems list it, so that no file is asked for it."""
    if entry.is_file(follow_symlinks=False):
        return _FILE
    return _FOLDER if entry.is_dir(follow_symlinks=False) else _LINK


def _spilled(entries: list[_Entry]) -> Iterator[_Entry]:
    """Write entries to a temporary file, and return an iterator that reads them back."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed after reading)
    for entry in entries:
        pickle.dump(entry, file)
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[_Entry]:
    with file, suppress(EOFError):
        while True:
            yield pickle.load(file)  # noqa: S301  (written above, and the file has no name)

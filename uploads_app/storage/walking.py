"""Lists the files below a folder in the order of their names, in constant memory."""

import heapq
import os
import pickle
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import IO

# More names than this are sorted on disk.
_NAMES_IN_MEMORY = 20_000


def walk(folder: str, after: tuple[str, ...], levels: int) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file below `folder`, ordered by name at each level.

    Paths up to `after`, which has one name for each level, are skipped without reading them.
    An empty folder below the `levels` of folders that the store makes is yielded, too.
    """
    for name in _names(folder):
        if after and name < after[0]:
            continue
        path = f"{folder}/{name}"
        try:
            status = os.lstat(path)
        except FileNotFoundError:  # deleted after its folder was read
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from walk(path, after[1:] if after and name == after[0] else (), levels - 1)
            if levels <= 0 and not any(os.scandir(path)):
                yield f"{path}/", status
        elif not after or name > after[0]:
            yield path, status


def _names(folder: str) -> Iterator[str]:
    """Return the names in a folder in order, in constant memory."""
    try:
        with os.scandir(folder) as entries:
            names = (entry.name for entry in entries)
            first = sorted(islice(names, _NAMES_IN_MEMORY))
            if len(first) < _NAMES_IN_MEMORY:
                return iter(first)
            runs = [_spilled(first)]
            while run := sorted(islice(names, _NAMES_IN_MEMORY)):
                runs.append(_spilled(run))
            return heapq.merge(*runs)
    except FileNotFoundError:  # the last file of the session was deleted meanwhile
        return iter(())


def _spilled(names: list[str]) -> Iterator[str]:
    """Write names to a temporary file, and return an iterator that reads them back."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed after reading)
    for name in names:
        pickle.dump(name, file)
    file.seek(0)
    return _read_back(file)


def _read_back(file: IO[bytes]) -> Iterator[str]:
    with file, suppress(EOFError):
        while True:
            yield pickle.load(file)  # noqa: S301  (written above, and the file has no name)

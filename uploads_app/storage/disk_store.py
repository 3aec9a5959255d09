"""Objects on a local disk: durable, never overwritten, and listed in constant memory."""

import errno
import hashlib
import heapq
import os
import pickle
import re
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

from django.core.files.storage import FileSystemStorage

from uploads_app.storage.base import (
    DirectUploadForm,
    ListingIncomplete,
    Marker,
    StoredBytes,
    StoredObject,
)
from uploads_app.storage.keys import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE
from uploads_app.storage.renaming import rename

_TEMPORARY_SUFFIX = ".part"
_TEMPORARY = re.compile(rf"\..+\.[0-9a-f]{{16}}\{_TEMPORARY_SUFFIX}", re.DOTALL)
# Folders in which a crash can leave temporary files that a listing of PREFIX does not contain.
_UNLISTED = ("", f"{ERASED}/", f"{QUARANTINE}/{PREFIX}/*/")
# The levels of folders between a prefix and its objects.
_FOLDERS = {PREFIX: 1, INCOMING: 1, QUARANTINE: 2, ERASED: 0}
_FOLDER_TRIES = 100
# More names than this are sorted on disk.
_NAMES_IN_MEMORY = 20_000


class DiskStore(FileSystemStorage):
    """An ObjectStore in a folder.

    Django's FileSystemStorage leaves a truncated file at the final path when
    the disk is full. This class writes to a temporary name, syncs the file, and
    creates the final name as a hard link, which never replaces a file.
    """

    offers_forms = False

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBytes:
        final = Path(self.path(key))
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")
        try:
            written = _write(temporary, chunks)
            os.link(temporary, final)
        except FileExistsError:
            _sync_name(final)  # its writer may have died before this
            raise
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        try:
            _sync_name(final)
        except OSError:  # the name might not survive a power failure
            final.unlink()
            raise
        return written

    def describe(self, key: str) -> StoredObject | None:
        try:
            status = os.lstat(self.path(key))
        except (FileNotFoundError, NotADirectoryError):
            return None
        return None if stat.S_ISDIR(status.st_mode) else _described(key, status)

    def delete(self, name: str) -> None:
        self._remove(name)
        _finish_deletions(Path(self.path(name)).parent)

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        failed = {}
        for key in keys:
            try:
                self._remove(key)
            except OSError as error:
                failed[key] = str(error)
        for folder in {Path(self.path(key)).parent for key in keys}:
            _finish_deletions(folder)
        return failed

    def _remove(self, key: str) -> None:
        """Delete a file. A folder at its key is not an object; a link raises OSError."""
        path = self._own_path(key)
        with suppress(FileNotFoundError, NotADirectoryError):
            if not path.is_dir():
                path.unlink()

    def _own_path(self, key: str) -> Path:
        """Return the path of a key. Raises OSError if it leads through a symbolic link."""
        path = Path(self.path(key))
        names = len(path.relative_to(self.location).parts)
        for part in (path, *path.parents[: names - 1]):
            if part.is_symlink():
                raise OSError(
                    errno.ELOOP, "a symbolic link, which the store does not write", str(part)
                )
        return path

    def move(self, key: str, target: str) -> None:
        source, final = self._own_path(key), self._own_path(target)
        try:
            _rename(source, final)
        except FileNotFoundError:
            if source.exists() or not final.exists():
                raise
        _sync_name(final)
        _finish_deletions(source.parent)

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        root = f"{self.base_location}/{prefix}"
        behind = tuple(after.split("/")[1:])
        try:
            for path, status in _walk(root, behind, _FOLDERS[prefix]):
                yield _described(path[len(root) - len(prefix) :], status)
        except OSError as error:
            raise ListingIncomplete(error.errno, f"cannot list {root}: {error}") from error

    def read_marker(self) -> Marker | None:
        try:
            return Marker.from_bytes(Path(self.path(MARKER)).read_bytes())
        except FileNotFoundError:
            return None

    def create_marker(self, marker: Marker) -> None:
        self.put(MARKER, [marker.to_bytes()])

    def write_marker(self, marker: Marker) -> None:
        final = Path(self.path(MARKER))
        temporary = final.with_name(f".{MARKER}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")
        _write(temporary, [marker.to_bytes()])
        temporary.replace(final)
        _sync_folder(final.parent)

    def clock(self) -> datetime:
        probe = Path(self.path(f".clock.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}"))
        _write(probe, [b""])
        try:
            return _modified(probe.stat())
        finally:
            probe.unlink()

    def temporary_files(self, before: datetime) -> Iterator[str]:
        root = Path(self.base_location)
        names = (f"{place}.*{_TEMPORARY_SUFFIX}" for place in _UNLISTED)
        for path in sorted(path for name in names for path in root.glob(name)):
            with suppress(FileNotFoundError):
                found = _described(path.relative_to(root).as_posix(), path.lstat())
                if found.is_temporary and found.modified < before:
                    yield found.key

    def delete_temporary(self, name: str) -> None:
        if not _is_temporary(Path(name).name):
            raise ValueError(f"{name} is not a temporary file")
        self.delete(name)

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        raise NotImplementedError("a disk store has no upload forms")

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        return None


def _write(path: Path, chunks: Iterable[bytes]) -> StoredBytes:
    """Write and sync a new file; delete it if it cannot be written completely."""
    digest, size = hashlib.sha256(), 0
    with _create(path) as file:
        try:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            path.unlink()
            raise
    return StoredBytes(size, digest.hexdigest())


def _create(path: Path) -> IO[bytes]:
    """Open a new file; create its folder again if a deletion removes it meanwhile."""
    for _ in range(_FOLDER_TRIES):
        # mkdir fails too when the folder is removed just after it was found.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
    raise FileNotFoundError(errno.ENOENT, "the folder is removed again and again", str(path.parent))


def _rename(source: Path, target: Path) -> None:
    """Rename a file; create the new folder again if a deletion removes it meanwhile."""
    for _ in range(_FOLDER_TRIES):
        with suppress(FileExistsError):
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            return rename(source, target)
        except FileNotFoundError:
            if target.parent.exists() or not source.exists():
                raise
    raise FileNotFoundError(errno.ENOENT, "the folder is removed again and again", str(target))


def _finish_deletions(folder: Path) -> None:
    """Make deletions in a folder durable, or remove the folder if it is empty."""
    try:
        folder.rmdir()
    except OSError:  # it is not empty, or does not exist
        _sync_folder(folder)


def _sync_name(path: Path) -> None:
    """Make the name of an object survive a power failure."""
    _sync_folder(path.parent)
    _sync_folder(path.parent.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure; the folder may be absent."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _walk(folder: str, after: tuple[str, ...], levels: int) -> Iterator[tuple[str, os.stat_result]]:
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
            yield from _walk(path, after[1:] if after and name == after[0] else (), levels - 1)
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


def _described(key: str, status: os.stat_result) -> StoredObject:
    is_link = not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode)
    is_temporary = (
        key.endswith(_TEMPORARY_SUFFIX) and not is_link and _is_temporary(key.rpartition("/")[2])
    )
    return StoredObject(key, status.st_size, _modified(status), is_temporary, is_link)


def _is_temporary(name: str) -> bool:
    """Return whether a name is one of `put`: other programs leave partial files, too."""
    return _TEMPORARY.fullmatch(name) is not None


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)

"""Objects on a local disk: durable, never overwritten, and listed in constant memory."""

import errno
import filecmp
import hashlib
import heapq
import os
import pickle
import secrets
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import FileSystemStorage

from uploads_app.storage.base import (
    DirectUploadForm,
    ListingIncomplete,
    Marker,
    StoredBytes,
    StoredObject,
)
from uploads_app.storage.file_locks import locked
from uploads_app.storage.keys import ERASED, MARKER, PREFIX, QUARANTINE

_TEMPORARY_SUFFIX = ".part"
# Folders in which a crash can leave temporary files that a listing of PREFIX does not contain.
_UNLISTED = ("", f"{ERASED}/", f"{QUARANTINE}/{PREFIX}/*/")
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
    marker_seconds = 0.0

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBytes:
        final = Path(self.path(key))
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")
        try:
            written = self._write(temporary, chunks)
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
            return _described(key, os.lstat(self.path(key)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def delete(self, name: str) -> None:
        self._remove(name)
        _finish_deletions(Path(self.path(name)).parent)

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        failed = {}
        for key in keys:
            try:
                self._remove(key)
            except (OSError, SuspiciousFileOperation, ValueError) as error:  # also a malformed key
                failed[key] = str(error)
        for folder in {Path(self.path(key)).parent for key in keys if key not in failed}:
            _finish_deletions(folder)
        return failed

    def _write(self, path: Path, chunks: Iterable[bytes]) -> StoredBytes:
        """Write and sync a new file; delete it if it cannot be written completely."""
        digest, size = hashlib.sha256(), 0
        with self._create(path) as file:
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

    def _create(self, path: Path) -> IO[bytes]:
        """Open a new file; create its folder again if a deletion removes it meanwhile."""
        for _ in range(_FOLDER_TRIES):
            with suppress(FileNotFoundError):
                self._make_folder(path.parent)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
                os.fchmod(descriptor, settings.FILE_UPLOAD_PERMISSIONS)
                return os.fdopen(descriptor, "wb")
        raise FileNotFoundError(errno.ENOENT, "the folder is removed each time", str(path.parent))

    def _make_folder(self, folder: Path) -> None:
        """Create a folder and its parents with the rights of the store, which a umask would cut."""
        try:
            folder.mkdir()
        except FileExistsError:
            return
        except FileNotFoundError:
            self._make_folder(folder.parent)
            with suppress(FileExistsError):
                folder.mkdir()
        folder.chmod(settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS)

    def _remove(self, key: str) -> None:
        with suppress(FileNotFoundError, NotADirectoryError):
            Path(self.path(key)).unlink()

    def move(self, key: str, target: str) -> None:
        source, final = Path(self.path(key)), Path(self.path(target))
        self._make_folder(final.parent)
        try:
            os.link(source, final)
        except FileExistsError:
            if not filecmp.cmp(source, final, shallow=False):
                raise
        except FileNotFoundError:
            if not final.exists():
                raise
        _sync_name(final)
        self.delete(key)

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        root = f"{self.base_location}/{prefix}"
        behind = tuple(after.split("/")[1:])
        try:
            for path, status in _walk(root, behind):
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
        self._write(temporary, [marker.to_bytes()])
        temporary.replace(final)
        _sync_folder(final.parent)

    def swap_marker(self, old: Marker, new: Marker) -> bool:
        lock = locked(Path(self.path(MARKER)))
        if lock is None:
            return False
        with lock:
            if self.read_marker() != old:
                return False
            self.write_marker(new)
            return True

    def clock(self) -> datetime:
        probe = Path(self.path(f".clock.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}"))
        self._write(probe, [b""])
        try:
            return _modified(probe.stat())
        finally:
            probe.unlink()

    def temporary_files(self, before: datetime) -> Iterator[str]:
        root = Path(self.base_location)
        names = (f"{place}.*{_TEMPORARY_SUFFIX}" for place in _UNLISTED)
        for path in sorted(path for name in names for path in root.glob(name)):
            with suppress(FileNotFoundError):
                if _modified(path.stat()) < before:
                    yield path.relative_to(root).as_posix()

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


def _walk(folder: str, after: tuple[str, ...]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield every file below `folder`, ordered by name at each level.

    Paths up to `after`, which has one name for each level, are skipped without reading them.
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
            yield from _walk(path, after[1:] if after and name == after[0] else ())
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


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


def _described(key: str, status: os.stat_result) -> StoredObject:
    is_temporary = key.endswith(_TEMPORARY_SUFFIX) and _is_temporary(key.rpartition("/")[2])
    return StoredObject(key, status.st_size, _modified(status), is_temporary)


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)

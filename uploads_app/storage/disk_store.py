"""Objects on a local disk: durable, never overwritten, and listed in constant memory."""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import FileSystemStorage

from uploads_app.storage.base import (
    DirectUploadForm,
    ListedObject,
    ListingIncomplete,
    Marker,
    StoredBytes,
    StoredObject,
)
from uploads_app.storage.file_locks import locked
from uploads_app.storage.keys import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE
from uploads_app.storage.renaming import rename
from uploads_app.storage.spool import SpooledFile
from uploads_app.storage.stored_files import (
    TEMPORARY_SUFFIX,
    ListedFile,
    describe,
    file_status,
    is_temporary_name,
    modified,
)
from uploads_app.storage.syncing import finish_deletions, keep_name, link, sync_folder, sync_names
from uploads_app.storage.walking import walk

# Folders in which a crash can leave temporary files that a listing of PREFIX does not contain.
_UNLISTED = ("", f"{ERASED}/", f"{QUARANTINE}/{PREFIX}/*/")
# The levels of folders between a prefix and its objects.
_FOLDERS = {PREFIX: 1, INCOMING: 1, QUARANTINE: 2, ERASED: 0}
_FOLDER_TRIES = 100
# The spool is on another file system, or this account is not a member of STORAGE_GROUP.
_NEEDS_COPY = (errno.EXDEV, errno.EPERM)
_T = TypeVar("_T")


class DiskStore(FileSystemStorage):
    """An ObjectStore in a folder.

    Django's FileSystemStorage leaves a truncated file at the final path when
    the disk is full. This class writes to a temporary name, syncs the file, and
    creates the final name as a hard link, which never replaces a file. The name of an
    uploaded file in the spool is such a temporary name.
    """

    offers_forms = False
    offers_files = True
    marker_seconds = 0.0

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        final = Path(self.path(key))
        if spooled is not None and self._link_spooled(spooled, final):
            keep_name(final)
            return StoredBytes(spooled.size, spooled.sha256)
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
        try:
            written = self._write(temporary, chunks)
            link(temporary, final)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        keep_name(final)
        return written

    def lock_object(self, key: str, until: datetime) -> None:
        """A folder has no such lock."""

    def has_file(self, key: str) -> bool:
        found = self.describe(key)
        return found is not None and not found.is_link

    def describe(self, key: str) -> StoredObject | None:
        status = file_status(self.path(key))
        return None if status is None or stat.S_ISDIR(status.st_mode) else describe(key, status)

    def delete(self, name: str) -> None:
        finish_deletions(self._remove(name))

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        failed, folders = {}, set()
        for key in keys:
            try:
                folders.add(self._remove(key))
            except (OSError, SuspiciousFileOperation, ValueError) as error:  # also a malformed key
                failed[key] = str(error)
        for folder in folders:
            finish_deletions(folder)
        return failed

    def _link_spooled(self, spooled: SpooledFile, final: Path) -> bool:
        """Sync a file of the spool and link it; False if the store needs a copy of it."""
        descriptor = spooled.fileno()
        try:
            self._make_folder(root := Path(self.location))
            if os.fstat(descriptor).st_dev != root.stat().st_dev:
                return False
            spooled.flush()
            os.fchmod(descriptor, settings.FILE_UPLOAD_PERMISSIONS)
            if settings.STORAGE_GROUP is not None:  # only files created in the store inherit it
                os.fchown(descriptor, -1, settings.STORAGE_GROUP)
            os.fsync(descriptor)
            self._in_folder(final.parent, partial(link, spooled.path, final))
        except OSError as error:
            if error.errno in _NEEDS_COPY:
                return False
            raise
        return True

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
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        descriptor = self._in_folder(path.parent, partial(os.open, path, flags))
        os.fchmod(descriptor, settings.FILE_UPLOAD_PERMISSIONS)
        return os.fdopen(descriptor, "wb")

    def _in_folder(self, folder: Path, step: Callable[[], _T]) -> _T:
        """Do a step in a folder; create the folder again if a deletion removes it meanwhile."""
        for _ in range(_FOLDER_TRIES):
            with suppress(FileNotFoundError):
                self._make_folder(folder)
                return step()
        raise FileNotFoundError(errno.ENOENT, "the folder is removed each time", str(folder))

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

    def _remove(self, key: str) -> str:
        """Delete a file and return its folder. A folder at its key is not an object; a link raises OSError."""
        path, status = self._own_file(key)
        if status and not stat.S_ISDIR(status.st_mode):
            with suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108  (a Path for each file takes as long)
        return path.rpartition("/")[0]

    def _own_file(self, key: str) -> tuple[str, os.stat_result | None]:
        """Return the path and the status of a key. Raises OSError if it leads through a symbolic link."""
        path: str = self.path(key)
        place, status = self.location, None
        for name in path.removeprefix(f"{place}/").split("/"):
            place = f"{place}/{name}"
            if (status := file_status(place)) and stat.S_ISLNK(status.st_mode):
                raise OSError(errno.ELOOP, "a symbolic link, which the store does not write", place)
        return path, status

    def move(self, key: str, target: str) -> None:
        for error in self.move_many({key: target}).values():
            raise error

    def move_many(self, moves: Mapping[str, str]) -> dict[str, OSError]:
        """Rename all objects, then sync each folder once."""
        failed: dict[str, OSError] = {}
        for key, target in moves.items():
            try:
                self._move(key, target)
            except OSError as error:
                failed[key] = error
        moved = [(key, target) for key, target in moves.items() if key not in failed]
        sync_names({Path(self.path(target)) for _, target in moved})
        for folder in {Path(self.path(key)).parent for key, _ in moved}:
            finish_deletions(folder)
        return failed

    def _move(self, key: str, target: str) -> None:
        source, final = (Path(self._own_file(name)[0]) for name in (key, target))
        try:
            self._rename(source, final)
        except FileNotFoundError:
            if source.exists() or not final.exists():
                raise

    def _rename(self, source: Path, target: Path) -> None:
        """Rename a file; create the new folder again if a deletion removes it meanwhile."""
        for _ in range(_FOLDER_TRIES):
            self._make_folder(target.parent)
            try:
                return rename(source, target)
            except FileNotFoundError:
                if target.parent.exists() or not source.exists():
                    raise
        raise FileNotFoundError(errno.ENOENT, "the folder is removed again and again", str(target))

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        for listed in self.list_keys(prefix, after):
            if stored := listed.described():
                yield stored

    def list_keys(self, prefix: str = PREFIX, after: str = "") -> Iterator[ListedObject]:
        root = f"{self.base_location}/{prefix}"
        begin = len(root) - len(prefix)
        behind = tuple(after.split("/")[1:])
        try:
            for path, is_link in walk(root, behind, _FOLDERS[prefix]):
                yield ListedFile(path[begin:], is_link, path)
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
        temporary = final.with_name(f".{MARKER}.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
        self._write(temporary, [marker.to_bytes()])
        temporary.replace(final)
        sync_folder(final.parent)

    def swap_marker(self, old: Marker, new: Marker) -> bool:
        lock = locked(Path(self.path(MARKER)))
        if lock is None:
            return False
        with lock:
            if self.read_marker() != old:
                return False
            self.write_marker(new)
            return True

    def check(self) -> None:
        self.clock()

    def clock(self) -> datetime:
        probe = Path(self.path(f".clock.{secrets.token_hex(8)}{TEMPORARY_SUFFIX}"))
        self._write(probe, [b""])
        try:
            return modified(probe.stat())
        finally:
            probe.unlink()

    def temporary_files(self, before: datetime) -> Iterator[str]:
        root = Path(self.base_location)
        names = (f"{place}.*{TEMPORARY_SUFFIX}" for place in _UNLISTED)
        for path in sorted(path for name in names for path in root.glob(name)):
            with suppress(FileNotFoundError):
                found = describe(path.relative_to(root).as_posix(), path.lstat())
                if found.is_temporary and found.modified < before:
                    yield found.key

    def delete_temporary(self, name: str) -> None:
        if not is_temporary_name(Path(name).name):
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

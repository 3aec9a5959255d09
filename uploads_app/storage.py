"""The one port to stored objects. `STORAGES["uploads"]` decides which store stands behind it."""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Protocol, cast

from django.core.files.storage import FileSystemStorage, storages

PREFIX = "uploads"
MARKER = "marker.json"
_TEMPORARY_SUFFIX = ".part"
_FOLDER_TRIES = 100


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing tells of it: key, size in bytes, and when it was last written."""

    key: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class Written:
    """What a put wrote: the size and SHA-256 (hex) of the bytes that arrived."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Marker:
    """Which deployment a store belongs to, and how far its cleanup has come."""

    id: str
    generation: int


class ListingIncomplete(OSError):
    """The store could not be listed to its end, so nothing may be concluded from the listing."""


class ObjectStore(Protocol):
    """What the product needs of a store. Every method raises OSError when the store fails."""

    def put(self, key: str, chunks: Iterable[bytes]) -> Written:
        """Write an object that is whole or absent; FileExistsError if the key is taken."""

    def open(self, key: str) -> IO[bytes]:
        """Open an object to read; FileNotFoundError if it is absent."""

    def exists(self, key: str) -> bool:
        """Say whether an object is there."""

    def delete(self, key: str) -> None:
        """Remove an object; one that is absent already is no error."""

    def list_objects(self) -> Iterator[StoredObject]:
        """Yield every object under `uploads/`, ordered by key; raises ListingIncomplete."""

    def read_marker(self) -> Marker | None:
        """Return the deployment marker, None if absent; ValueError if it cannot be understood."""

    def create_marker(self, marker: Marker) -> None:
        """Write the first marker; FileExistsError if there is one."""

    def write_marker(self, marker: Marker) -> None:
        """Replace the marker."""

    def clock(self) -> datetime:
        """Return the store's own idea of now, leaving nothing behind."""

    def temporary_files(self, before: datetime) -> Iterator[str]:
        """Yield what uploads that died have left half-written, last touched before `before`."""

    def delete_temporary(self, name: str) -> None:
        """Remove one of `temporary_files`."""


def object_store() -> ObjectStore:
    """Return the store that the settings name."""
    return cast(ObjectStore, storages["uploads"])


class DiskStore(FileSystemStorage):
    """Objects on a local disk, durable and never overwritten.

    Django's own FileSystemStorage leaves a truncated file at the final path
    when the disk is full; here bytes go to a temporary name beside it, are
    synced, and get their final name by a hard link, which refuses to replace.
    """

    def put(self, key: str, chunks: Iterable[bytes]) -> Written:
        final = Path(self.path(key))
        temporary = final.with_name(f".{final.name}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")
        try:
            written = _write(temporary, chunks)
            os.link(temporary, final)
        except FileExistsError:
            _sync_name(final)  # who wrote it may have died before that
            raise
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
        try:
            _sync_name(final)
        except OSError:  # the name might not survive a power cut, so it must not stay
            final.unlink()
            raise
        return written

    def delete(self, name: str) -> None:
        path = Path(self.path(name))
        with suppress(FileNotFoundError):
            path.unlink()
            _sync_folder(path.parent)
        # A session's folder goes with its last file; OSError says it is not empty.
        with suppress(OSError):
            path.parent.rmdir()

    def list_objects(self) -> Iterator[StoredObject]:
        root = Path(self.base_location, PREFIX)
        if not root.exists():
            return
        try:
            for entry in _walk(root):
                if not _is_temporary(entry.name):
                    with suppress(FileNotFoundError):  # deleted since its folder was read
                        yield self._describe(entry)
        except OSError as error:
            raise ListingIncomplete(error.errno, f"cannot list {root}: {error}") from error

    def read_marker(self) -> Marker | None:
        try:
            values = json.loads(Path(self.path(MARKER)).read_bytes())
        except FileNotFoundError:
            return None
        except RecursionError as error:
            raise ValueError(f"{MARKER} is nested too deep") from error
        match values:
            case {"id": str(identity), "generation": int(generation)} if len(values) == 2:
                return Marker(identity, generation)
        raise ValueError(f"{MARKER} holds something else than an id and a generation")

    def create_marker(self, marker: Marker) -> None:
        self.put(MARKER, [_marker_bytes(marker)])

    def write_marker(self, marker: Marker) -> None:
        final = Path(self.path(MARKER))
        temporary = final.with_name(f".{MARKER}.{secrets.token_hex(8)}{_TEMPORARY_SUFFIX}")
        _write(temporary, [_marker_bytes(marker)])
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
        base = Path(self.base_location)
        for folder in (base, *_folders(base / PREFIX)):
            for path in sorted(folder.glob(f".*{_TEMPORARY_SUFFIX}")):
                with suppress(FileNotFoundError):
                    if _modified(path.stat()) < before:
                        yield path.relative_to(base).as_posix()

    def delete_temporary(self, name: str) -> None:
        if not _is_temporary(Path(name).name):
            raise ValueError(f"{name} is no temporary file")
        self.delete(name)

    def _describe(self, entry: os.DirEntry[str]) -> StoredObject:
        status = entry.stat(follow_symlinks=False)
        key = Path(entry.path).relative_to(self.base_location).as_posix()
        return StoredObject(key, status.st_size, _modified(status))


def _write(path: Path, chunks: Iterable[bytes]) -> Written:
    """Write a new file and sync it; what cannot be written whole is not left behind."""
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
    return Written(size, digest.hexdigest())


def _create(path: Path) -> IO[bytes]:
    """Open a new file, making its folder again if a deletion removes it in between."""
    for _ in range(_FOLDER_TRIES):
        # mkdir fails too when the folder goes just after it was found to exist.
        with suppress(FileNotFoundError, FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("xb")
    raise FileNotFoundError(errno.ENOENT, "the folder cannot be kept", str(path.parent))


def _sync_name(path: Path) -> None:
    """Make an object's name survive a power cut."""
    _sync_folder(path.parent)
    _sync_folder(path.parent.parent)


def _sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut; one that is gone needs none."""
    with suppress(FileNotFoundError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _walk(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is no folder below `folder`, in the order of names at each level."""
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path))
        else:
            yield entry


def _folders(folder: Path) -> Iterator[Path]:
    return (Path(entry.path) for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:  # a session's last file was deleted meanwhile
        return []


def _is_temporary(name: str) -> bool:
    return name.startswith(".") and name.endswith(_TEMPORARY_SUFFIX)


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC)


def _marker_bytes(marker: Marker) -> bytes:
    return json.dumps({"id": marker.id, "generation": marker.generation}).encode()

"""Helpers of the tests of a move: two stores, the settings of each phase, and named moments."""

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from django.core.cache import cache
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from maria_project.settings.storage_url import moving
from tests.helpers import Visitor, pdf, started
from tests.uploads_app.cleanup.cleanup_support import CommandResult
from uploads_app.models import UploadedFile
from uploads_app.storage.base import StoredBytes
from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.keys import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE
from uploads_app.storage.s3_store import S3Store
from uploads_app.storage.spool import SpooledFile

# The moments of one object's move, in order: `previous` and `current` name the store.
MOMENTS = (
    "previous before open", "previous after open", "current before put", "current inside put",
    "current after put", "current before open", "current after open",
    "previous before delete", "previous after delete",
)  # fmt: skip
# And of the move as a whole.
FRAME = ("current before write_marker", "current after write_marker", "previous after write_marker")

both_ways = pytest.mark.parametrize("relocation", ["disk to S3", "S3 to disk"], indirect=True)
# For tests that work the same with all stores.
folders = pytest.mark.parametrize("relocation", ["disk to disk"], indirect=True)


def _nothing(key: str) -> None:
    """Do nothing."""


# Called at a moment with the object's key; tests fill it.
on: dict[str, Callable[[str], None]] = {}


def _happens(moment: str, key: str) -> None:
    on.get(moment, _nothing)(key)


class ObservedStore:
    """Calls `on` before and after each operation of a store."""

    role = ""

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        _happens(f"{self.role} before put", key)
        reported = self._reported(key, chunks)
        written: StoredBytes = super().put(key, reported, spooled)  # type: ignore[misc]
        _happens(f"{self.role} after put", key)
        return written

    def open(self, name: str, mode: str = "rb") -> IO[bytes]:
        _happens(f"{self.role} before open", name)
        opened: IO[bytes] = super().open(name, mode)  # type: ignore[misc]
        _happens(f"{self.role} after open", name)
        return opened

    def delete(self, name: str) -> None:
        _happens(f"{self.role} before delete", name)
        super().delete(name)  # type: ignore[misc]
        _happens(f"{self.role} after delete", name)

    def write_marker(self, marker: Any) -> None:
        _happens(f"{self.role} before write_marker", MARKER)
        super().write_marker(marker)  # type: ignore[misc]
        _happens(f"{self.role} after write_marker", MARKER)

    def _reported(self, key: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            half = len(chunk) // 2
            yield chunk[:half]
            _happens(f"{self.role} inside put", key)
            yield chunk[half:]


class CurrentDisk(ObservedStore, DiskStore):  # type: ignore[misc]
    role = "current"


class PreviousDisk(ObservedStore, DiskStore):  # type: ignore[misc]
    role = "previous"


class _SharedS3(ObservedStore, S3Store):
    """Keeps the process's client when the settings change, because creating one is slow."""

    clients: dict[str, threading.local] = {}

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._connections = self.clients.setdefault(self.endpoint_url, threading.local())


class CurrentS3(_SharedS3):
    role = "current"


class PreviousS3(_SharedS3):
    role = "previous"


def forget_connections() -> None:
    """Close the connections, so that a forked process opens its own."""
    for client in _SharedS3.clients.values():
        for resource in vars(client).values():
            resource.meta.client.close()


@dataclass
class Relocation:
    """A deployment that moves between two stores: entries of STORAGES without and with moments."""

    settings: Any
    previous: dict[str, Any]
    current: dict[str, Any]
    bodies: dict[str, bytes] = field(default_factory=dict)
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def before(self) -> None:
        """Set STORAGE_URL to the store that files will move from."""
        self._set({"uploads": _watched(self.previous, "Previous")})

    def during(self) -> None:
        """Set STORAGE_URL to the new store and STORAGE_PREVIOUS_URL to the old one."""
        self._set(moving(_watched(self.current, "Current"), _watched(self.previous, "Previous")))

    def after(self) -> None:
        """Remove STORAGE_PREVIOUS_URL."""
        self._set({"uploads": _watched(self.current, "Current")})

    def upload(self, text: str, visitor: Visitor | None = None) -> UploadedFile:
        """Let a visitor upload a file, and remember its bytes."""
        cache.clear()
        visitor = visitor or started()
        body = pdf(text)
        response = visitor.upload(body)
        assert response.status_code == 201, response.content
        upload_id = response.json()["id"]
        self.bodies[upload_id], self.visitors[upload_id] = body, visitor
        return UploadedFile.objects.get(pk=upload_id)

    def forget(self, upload: UploadedFile) -> Visitor:
        """No longer expect a file to be served; return its visitor, who will delete it."""
        del self.bodies[str(upload.pk)]
        return self.visitors[str(upload.pk)]

    def assert_served(self, only: UploadedFile | None = None) -> None:
        """Check that every live file, or only one, is downloaded with the bytes that were uploaded."""
        cache.clear()
        for upload_id in self.bodies if only is None else [str(only.pk)]:
            assert self.visitors[upload_id].download(upload_id) == self.bodies[upload_id]

    def assert_moved(self) -> None:
        """Check that the current store has exactly the live files and the trash, and the previous store none."""
        self.during()
        live = {row.key: row.sha256 for row in UploadedFile.objects.filter(pk__in=self.bodies)}
        current = self.hashes("uploads_current")
        others = (ERASED, QUARANTINE)
        assert {key: sha for key, sha in current.items() if not key.startswith(others)} == live
        assert self.hashes("uploads_previous") == {}
        self.after()
        self.assert_served()

    def hashes(self, alias: str) -> dict[str, str]:
        """Return key and SHA-256 of everything in one of the two stores except its marker."""
        store: Any = storages[alias]
        found = {}
        for prefix in (PREFIX, QUARANTINE, ERASED, INCOMING):
            for stored in store.list_objects(prefix):
                with store.open(stored.key) as file:
                    found[stored.key] = hashlib.sha256(file.read()).hexdigest()
        return found

    def place(self, alias: str, key: str) -> Path:
        """Return the path of a key in the `current` or the `previous` store, which is a folder."""
        entry: dict[str, Any] = getattr(self, alias)
        return Path(entry["OPTIONS"]["location"]) / key

    def plant(self, alias: str, key: str, body: bytes = b"%PDF-1.4 planted") -> None:
        """Write an object into a folder without the product."""
        path = self.place(alias, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    def _set(self, entries: dict[str, Any]) -> None:
        static = self.settings.STORAGES["staticfiles"]
        self.settings.STORAGES = {"staticfiles": static, **entries}


def _watched(entry: dict[str, Any], role: str) -> dict[str, Any]:
    kind = "S3" if entry["BACKEND"].endswith("S3Store") else "Disk"
    return {**entry, "BACKEND": f"{__name__}.{role}{kind}"}


def disk(folder: Path) -> dict[str, Any]:
    """Return the entry of STORAGES for a folder."""
    return {"BACKEND": "uploads_app.storage.disk_store.DiskStore", "OPTIONS": {"location": folder}}


def move(*arguments: str) -> CommandResult:
    """Call `manage.py move_storage` with the arguments."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command("move_storage", *arguments, stdout=out, stderr=err, no_color=True)
    except SystemExit as stop:
        code = int(stop.code or 0)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    return CommandResult(code, out.getvalue(), err.getvalue())


def moved(*arguments: str) -> dict[str, Any]:
    """Move, check that it succeeds, and return what `--json` printed."""
    result = move("--json", *arguments)
    assert result.exit_code == 0, result
    document: dict[str, Any] = json.loads(result.out)
    return document

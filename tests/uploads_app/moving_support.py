"""What the tests of a move share: two stores, the three settings of a move, and named moments of one."""

import hashlib
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from django.core.cache import cache
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from maria_project.environment import moving
from tests.helpers import Visitor, pdf, started
from tests.uploads_app.cleanup_support import Told
from uploads_app.disk_store import DiskStore
from uploads_app.models import UploadedFile
from uploads_app.s3_store import S3Store
from uploads_app.storage import ERASED, INCOMING, MARKER, PREFIX, QUARANTINE, Written

# The moments of one object's move, in order: `previous` and `current` name the store.
MOMENTS = (
    "previous before open", "previous after open", "current before put", "current inside put",
    "current after put", "current before open", "current after open",
    "previous before delete", "previous after delete",
)  # fmt: skip
# And of the move as a whole.
FRAME = ("current before write_marker", "current after write_marker", "previous after write_marker")

# What happens at a moment, with the object's key; tests fill it.
on: dict[str, Callable[[str], None]] = {}


def _happens(moment: str, key: str) -> None:
    on.get(moment, lambda key: None)(key)


class Watched:
    """Lets something happen before and after what a store does; a library's seam, not ours."""

    role = ""

    def put(self, key: str, chunks: Iterable[bytes]) -> Written:
        _happens(f"{self.role} before put", key)
        written: Written = super().put(key, self._told(key, chunks))  # type: ignore[misc]
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

    def _told(self, key: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            half = len(chunk) // 2
            yield chunk[:half]
            _happens(f"{self.role} inside put", key)
            yield chunk[half:]


class CurrentDisk(Watched, DiskStore):
    role = "current"


class PreviousDisk(Watched, DiskStore):
    role = "previous"


class CurrentS3(Watched, S3Store):
    role = "current"


class PreviousS3(Watched, S3Store):
    role = "previous"


@dataclass
class Relocation:
    """A deployment between two stores: entries of STORAGES without and with moments."""

    settings: Any
    previous: dict[str, Any]
    current: dict[str, Any]
    bodies: dict[str, bytes] = field(default_factory=dict)
    visitors: dict[str, Visitor] = field(default_factory=dict)

    def before(self) -> None:
        """STORAGE_URL names the store that files will move from."""
        self._set({"uploads": self.previous})

    def during(self) -> None:
        """STORAGE_URL names the new store, STORAGE_PREVIOUS_URL the old one."""
        self._set(moving(_watched(self.current, "Current"), _watched(self.previous, "Previous")))

    def after(self) -> None:
        """STORAGE_PREVIOUS_URL is removed."""
        self._set({"uploads": self.current})

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
        """A visitor is about to give a file up: no longer expect it to be served."""
        del self.bodies[str(upload.pk)]
        return self.visitors[str(upload.pk)]

    def assert_served(self) -> None:
        """Check that every live file is downloaded with the bytes that were uploaded."""
        cache.clear()
        for upload_id, body in self.bodies.items():
            assert self.visitors[upload_id].download(upload_id) == body

    def assert_moved(self) -> None:
        """Check that the current store holds every live file and nothing else, the previous none."""
        self.during()
        live = {row.key: row.sha256 for row in UploadedFile.objects.filter(pk__in=self.bodies)}
        assert self.hashes("uploads_current") == live
        assert self.hashes("uploads_previous") == {}
        self.after()
        self.assert_served()

    def hashes(self, alias: str) -> dict[str, str]:
        """Return key and SHA-256 of everything in one of the two stores but its marker."""
        store: Any = storages[alias]
        found = {}
        for prefix in (PREFIX, QUARANTINE, ERASED, INCOMING):
            for stored in store.list_objects(prefix):
                with store.open(stored.key) as file:
                    found[stored.key] = hashlib.sha256(file.read()).hexdigest()
        return found

    def _set(self, entries: dict[str, Any]) -> None:
        static = self.settings.STORAGES["staticfiles"]
        self.settings.STORAGES = {"staticfiles": static, **entries}


def _watched(entry: dict[str, Any], role: str) -> dict[str, Any]:
    kind = "S3" if entry["BACKEND"].endswith("S3Store") else "Disk"
    return {**entry, "BACKEND": f"{__name__}.{role}{kind}"}


def disk(folder: Path) -> dict[str, Any]:
    """Return the entry of STORAGES for a folder."""
    return {"BACKEND": "uploads_app.disk_store.DiskStore", "OPTIONS": {"location": folder}}


def move(*arguments: str) -> Told:
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
    return Told(code, out.getvalue(), err.getvalue())


def moved(*arguments: str) -> dict[str, Any]:
    """Move, expect it to end well, and return what `--json` printed."""
    told = move("--json", *arguments)
    assert told.exit_code == 0, told
    document: dict[str, Any] = json.loads(told.out)
    return document

"""Uploaded files in the spool, as the parser leaves them, and what happens while a store takes them."""

from collections.abc import Callable, Iterator

import pytest

from uploads_app.storage.disk_store import DiskStore
from uploads_app.storage.spool import SpooledFile

BOTH_WAYS = ["linked", "copied"]


class Spooled(SpooledFile):
    """A file with these bytes."""

    def __init__(self, body: bytes, name: str = "report.pdf") -> None:
        super().__init__(name)
        self.add(body)
        self.seek(0)
        self.size = len(body)


class Interrupted(Spooled):
    """Calls `meanwhile` just before the store links the file, or in the middle of its copy."""

    def __init__(self, body: bytes, meanwhile: Callable[[], object]) -> None:
        super().__init__(body)
        self._meanwhile = meanwhile

    def flush(self) -> None:
        self._meanwhile()

    def chunks(self, chunk_size: int | None = None) -> Iterator[bytes]:
        body = b"".join(super().chunks())
        yield body[:1000]
        self._meanwhile()
        yield body[1000:]


def keep_spool_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a store on disk copy files of the spool, as from another file system."""
    monkeypatch.setattr(DiskStore, "_link_spooled", lambda *_: False)

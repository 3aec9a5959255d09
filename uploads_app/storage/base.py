"""The one port to stored objects. `STORAGES["uploads"]` decides which store stands behind it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Protocol, cast

from django.core.files.storage import storages

from uploads_app.storage.keys import MARKER, PREFIX

# Clocks that differ by more make every age doubtful.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class StoredObject:
    """An object as a listing tells of it: key, size in bytes, and when it was last written.

    `is_temporary` is what an upload under way, or one that died, has half-written.
    """

    key: str
    size: int
    modified: datetime
    is_temporary: bool = False


@dataclass(frozen=True)
class StoredBytes:
    """What a put wrote: the size and SHA-256 (hex) of the bytes that arrived."""

    size: int
    sha256: str


@dataclass(frozen=True)
class DirectUploadForm:
    """What a browser posts, with its file as the last field, to store the file directly."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Marker:
    """Which deployment a store belongs to, and how far its cleanup has come."""

    id: str
    generation: int

    def to_bytes(self) -> bytes:
        return json.dumps({"id": self.id, "generation": self.generation}).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Marker":
        """Read what `to_bytes` wrote; ValueError if it is something else."""
        try:
            values = json.loads(content)
        except RecursionError as error:
            raise ValueError(f"{MARKER} is nested too deep") from error
        match values:
            case {"id": str(identity), "generation": int(generation)} if len(values) == 2:
                return cls(identity, generation)
        raise ValueError(f"{MARKER} holds something else than an id and a generation")


class ListingIncomplete(OSError):
    """The store could not be listed to its end, so nothing may be concluded from the listing."""


class ObjectStore(Protocol):
    """What the product needs of a store. Every method raises OSError when the store fails.

    Keys under one prefix have one depth, and for such keys every listing is in
    the order of their characters.
    """

    @property
    def offers_forms(self) -> bool:
        """Whether browsers may send files to the store directly, by `upload_form`."""

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBytes:
        """Write an object that is whole or absent; FileExistsError if the key is taken."""

    def open(self, key: str) -> IO[bytes]:
        """Open an object to read; FileNotFoundError if it is absent."""

    def describe(self, key: str) -> StoredObject | None:
        """Return what a listing would tell of one object, None if it is absent."""

    def delete(self, key: str) -> None:
        """Remove an object for good; one that is absent already is no error."""

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove up to 1,000 objects for good; return why for each that is still there."""

    def move(self, key: str, target: str) -> None:
        """Give an object another key.

        FileNotFoundError if it is absent, FileExistsError if other bytes have the new key. A move
        that was cut off is finished by doing it again; then there are both, or the new one.
        """

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        """Yield every object under `{prefix}/` whose key follows `after`, ordered by key.

        Raises ListingIncomplete.
        """

    def read_marker(self) -> Marker | None:
        """Return the deployment marker, None if absent; ValueError if it cannot be understood."""

    def create_marker(self, marker: Marker) -> None:
        """Write the first marker; FileExistsError if there is one."""

    def write_marker(self, marker: Marker) -> None:
        """Replace the marker."""

    def clock(self) -> datetime:
        """Return the store's own idea of now, leaving nothing behind."""

    def temporary_files(self, before: datetime) -> Iterator[str]:
        """Yield names of what was left half-written before `before`, and no listing shows."""

    def delete_temporary(self, name: str) -> None:
        """Remove one of `temporary_files`, or what a listing calls temporary."""

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        """Return the form by which a browser may store exactly such a file; see `offers_forms`.

        It is signed here; the store is not asked.
        """

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        """Return where a browser can fetch an object as an attachment, None if it cannot."""


def object_store() -> ObjectStore:
    """Return the store that the settings name."""
    return cast(ObjectStore, storages["uploads"])

"""The interface of every store. `STORAGES["uploads"]` selects the implementation."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import IO, NamedTuple, Protocol, cast

from django.core.files.storage import storages

from uploads_app.storage.keys import MARKER, PREFIX
from uploads_app.storage.spool import SpooledFile

# If clocks differ by more, ages cannot be trusted.
CLOCK_TOLERANCE = timedelta(minutes=5)


class ListedObject(Protocol):
    """An object in a listing of keys. A store may have to be asked for the rest."""

    @property
    def key(self) -> str: ...

    @property
    def is_link(self) -> bool: ...

    def described(self) -> "StoredObject | None":
        """Return the whole object, None if it was deleted meanwhile."""


class StoredObject(NamedTuple):
    """An object in a listing: key, size in bytes, and time of the last write.

    `is_temporary` marks the partial file of a running or killed upload. `is_link` marks
    a symbolic link or a special file: the store writes none, and never moves or deletes one.
    """

    key: str
    size: int
    modified: datetime
    is_temporary: bool = False
    is_link: bool = False

    def described(self) -> "StoredObject":
        return self


@dataclass(frozen=True)
class StoredBytes:
    """The size and SHA-256 (hex) of the bytes that `put` wrote."""

    size: int
    sha256: str


@dataclass(frozen=True)
class DirectUploadForm:
    """What a browser posts to the store, with the file as the last field."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Marker:
    """The database that a store belongs to, the number of its cleanup runs, and a value of the last one."""

    id: str
    generation: int
    lineage: str = ""

    def to_bytes(self) -> bytes:
        values = asdict(self)
        if not self.lineage:
            del values["lineage"]
        return json.dumps(values).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Marker":
        """Parse the output of `to_bytes`; raises ValueError for anything else."""
        try:
            values = json.loads(content)
        except RecursionError as error:
            raise ValueError(f"{MARKER} is nested too deeply") from error
        match values:
            case {"id": str(), "generation": int()} if len(values) == 2:
                return cls(**values)
            case {"id": str(), "generation": int(), "lineage": str()} if len(values) == 3:
                return cls(**values)
        raise ValueError(f"{MARKER} does not contain exactly an id, a generation and a lineage")


class ListingIncomplete(OSError):
    """The listing did not reach its end, so nothing may be concluded from it."""


class ObjectStore(Protocol):
    """A store. Every method raises OSError when the store fails.

    All keys under one prefix have the same depth. Listings are in the order of
    the characters of the keys.
    """

    @property
    def offers_forms(self) -> bool:
        """Whether the store supports `upload_form`."""

    @property
    def offers_files(self) -> bool:
        """Whether the objects are files of this host, which a proxy can send."""

    @property
    def marker_seconds(self) -> float:
        """How long the marker need not be read again before an upload."""

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        """Write an object completely or not at all; FileExistsError if the key is taken.

        `spooled` is a file with the same bytes. A store that can use it reads no chunk.
        """

    def open(self, key: str) -> IO[bytes]:
        """Open an object for reading; FileNotFoundError if it is absent."""

    def lock_object(self, key: str, until: datetime) -> None:
        """Forbid everybody to delete or replace an object until then, if the store can."""

    def has_file(self, key: str) -> bool:
        """Return whether the store has an object as a file that a proxy can send."""

    def describe(self, key: str) -> StoredObject | None:
        """Return one object as a listing has it, None if it is absent."""

    def delete(self, key: str) -> None:
        """Delete an object. An absent object is not an error."""

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        """Delete up to 1,000 objects; return the error of each that was not deleted."""

    def move(self, key: str, target: str) -> None:
        """Rename an object.

        FileNotFoundError if it is absent, FileExistsError if other bytes have the new key. An
        interrupted move can be repeated; until then the object has both keys or the new one.
        """

    def move_many(self, moves: Mapping[str, str]) -> dict[str, OSError]:
        """Do `move` for each key and its target; return the error of each that was not moved."""

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        """Yield every object under `{prefix}/` whose key follows `after`, ordered by key.

        Raises ListingIncomplete.
        """

    def list_keys(self, prefix: str = PREFIX, after: str = "") -> Iterator[ListedObject]:
        """Do `list_objects` without reading sizes and times that the listing does not come with."""

    def read_marker(self) -> Marker | None:
        """Return the marker, None if it is absent; ValueError if it cannot be read."""

    def create_marker(self, marker: Marker) -> None:
        """Write the first marker; FileExistsError if there is one already."""

    def write_marker(self, marker: Marker) -> None:
        """Replace the marker, whatever it was."""

    def swap_marker(self, old: Marker, new: Marker) -> bool:
        """Replace the marker if it is `old`; False if it is not. Of two calls at once one succeeds."""

    def check(self) -> None:
        """Ask the store one short question; raises OSError if the answer is bad, or takes over a second."""

    def clock(self) -> datetime:
        """Return the time by the clock of the store."""

    def temporary_files(self, before: datetime) -> Iterator[str]:
        """Yield the names of partial files from before `before` that no listing contains."""

    def delete_temporary(self, name: str) -> None:
        """Delete one of `temporary_files`, or an object that a listing marks as temporary."""

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        """Return a signed form that lets a browser store one file of exactly this type and size.

        No request is sent to the store.
        """

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        """Return a URL from which a browser can download an object, None if not supported."""


class OneByOne:
    """The methods of an ObjectStore that saves nothing by doing them for many objects."""

    def move_many(self: ObjectStore, moves: Mapping[str, str]) -> dict[str, OSError]:
        failed = {}
        for key, target in moves.items():
            try:
                self.move(key, target)
            except OSError as error:
                failed[key] = error
        return failed

    def list_keys(
        self: ObjectStore, prefix: str = PREFIX, after: str = ""
    ) -> Iterator[ListedObject]:
        return self.list_objects(prefix, after)


def object_store() -> ObjectStore:
    return cast(ObjectStore, storages["uploads"])


def sha256_of(store: ObjectStore, key: str) -> str:
    """Return the SHA-256 (hex) of an object; FileNotFoundError if it is absent."""
    with store.open(key) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

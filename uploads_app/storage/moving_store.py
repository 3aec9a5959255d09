"""Two stores as one, while files move from the previous store to the current one.

Writes go to the current store; reads try both. An object is deleted from the
previous store only after the current one has it, so it can always be read.
For operators: docs/operations.md, "Moving to S3".
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from operator import attrgetter
from typing import IO, TypeVar, cast

from django.core.files.storage import storages

from uploads_app.storage.base import (
    CLOCK_TOLERANCE,
    DirectUploadForm,
    ListedObject,
    Marker,
    ObjectStore,
    OneByOne,
    StoredBytes,
    StoredObject,
    sha256_of,
)
from uploads_app.storage.keys import PREFIX
from uploads_app.storage.spool import SpooledFile

_T = TypeVar("_T")
_Listed = TypeVar("_Listed", bound=ListedObject)


class MovingStore(OneByOne):
    """An ObjectStore over two stores, given by their aliases in STORAGES."""

    def __init__(self, current: str, previous: str) -> None:
        self._current, self._previous = current, previous

    @property
    def current(self) -> ObjectStore:
        return cast(ObjectStore, storages[self._current])

    @property
    def previous(self) -> ObjectStore:
        return cast(ObjectStore, storages[self._previous])

    @property
    def offers_forms(self) -> bool:
        return self.current.offers_forms

    @property
    def offers_files(self) -> bool:
        return self.current.offers_files

    @property
    def marker_seconds(self) -> float:
        return max(self.current.marker_seconds, self.previous.marker_seconds)

    def put(
        self, key: str, chunks: Iterable[bytes], spooled: SpooledFile | None = None
    ) -> StoredBytes:
        if self.previous.describe(key) is not None:
            raise FileExistsError(key)
        return self.current.put(key, chunks, spooled)

    def open(self, key: str) -> IO[bytes]:
        return self._first(lambda store: store.open(key))

    def lock_object(self, key: str, until: datetime) -> None:
        if self.current.describe(key) is not None:
            self.current.lock_object(key, until)

    def has_file(self, key: str) -> bool:
        """Return whether the current store has the file. One of the previous store may be moved."""
        return self.current.has_file(key)

    def describe(self, key: str) -> StoredObject | None:
        for store in self._in_order():
            if found := store.describe(key):
                return found
        return None

    def delete(self, key: str) -> None:
        self.current.delete(key)
        self.previous.delete(key)

    def delete_many(self, keys: Sequence[str]) -> dict[str, str]:
        return self.current.delete_many(keys) | self.previous.delete_many(keys)

    def move(self, key: str, target: str) -> None:
        """Rename an object in the store that has it, or in both.

        It stays in its store; `manage.py move_storage` copies it under either key.
        """
        if self._differ(key, target):
            raise FileExistsError(target)
        moved = False
        for store in self._in_order():
            with suppress(FileNotFoundError):
                store.move(key, target)
                moved = True
        if not moved:
            raise FileNotFoundError(key)

    def list_objects(self, prefix: str = PREFIX, after: str = "") -> Iterator[StoredObject]:
        """Yield the objects of both stores, ordered by key, each key once.

        An object that is copied during the listing may be missed. Call
        `describe` before concluding that one is absent.
        """
        return _merged(store.list_objects(prefix, after) for store in (self.current, self.previous))

    def list_keys(self, prefix: str = PREFIX, after: str = "") -> Iterator[ListedObject]:
        return _merged(store.list_keys(prefix, after) for store in (self.current, self.previous))

    def read_marker(self) -> Marker | None:
        """Return the marker; None if the previous store has none; ValueError if the two differ.

        Before the move the current store has none. A previous store without a
        marker may not be mounted. After a crash in `write_marker` one marker is
        a generation behind.
        """
        return _newer(self.current.read_marker(), self.previous.read_marker())

    def create_marker(self, marker: Marker) -> None:
        """Write the first marker to both; FileExistsError if either has one."""
        if self.current.read_marker() is not None:
            raise FileExistsError("the current store has a marker")
        self.previous.create_marker(marker)
        self.current.create_marker(marker)

    def write_marker(self, marker: Marker) -> None:
        self.current.write_marker(marker)
        self.previous.write_marker(marker)

    def swap_marker(self, old: Marker, new: Marker) -> bool:
        """Replace the marker of each store that has one, if the newer one is `old`."""
        current, previous = self.current.read_marker(), self.previous.read_marker()
        if previous is None or _newer(current, previous) != old:
            return False
        if current is not None and not self.current.swap_marker(current, new):
            return False
        return self.previous.swap_marker(previous, new)

    def check(self) -> None:
        self.current.check()
        self.previous.check()
        self.clock()  # compares both

    def clock(self) -> datetime:
        """Return the time of the current store; OSError if the two clocks differ too much."""
        now, previous = self.current.clock(), self.previous.clock()
        if abs(now - previous) > CLOCK_TOLERANCE:
            raise OSError(f"the clocks of the two stores differ by {abs(now - previous)}")
        return now

    def temporary_files(self, before: datetime) -> Iterator[str]:
        return chain(self.current.temporary_files(before), self.previous.temporary_files(before))

    def delete_temporary(self, name: str) -> None:
        known = 0
        for store in (self.current, self.previous):
            with suppress(ValueError):  # each store has its own kind of names
                store.delete_temporary(name)
                known += 1
        if not known:
            raise ValueError(f"{name} is not a temporary file")

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        return self.current.upload_form(
            key, content_type=content_type, size=size, lifetime=lifetime
        )

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        """Return a download URL of the current store.

        None if only the previous store has the object, because it may be moved within the lifetime.
        """
        if self.current.describe(key) is None:
            return None
        return self.current.download_url(
            key, name=name, content_type=content_type, lifetime=lifetime
        )

    def _in_order(self) -> tuple[ObjectStore, ...]:
        """Return the stores to read from; the current one twice, for objects copied meanwhile."""
        return self.current, self.previous, self.current

    def _first(self, read: Callable[[ObjectStore], _T]) -> _T:
        *others, last = self._in_order()
        for store in others:
            with suppress(FileNotFoundError):
                return read(store)
        return read(last)

    def _differ(self, key: str, target: str) -> bool:
        """Say whether both keys exist and have different bytes."""
        if self.describe(target) is None:
            return False
        with suppress(FileNotFoundError):
            return sha256_of(self, key) != sha256_of(self, target)
        return False


def _merged(listings: Iterable[Iterator[_Listed]]) -> Iterator[_Listed]:
    last = None
    for found in heapq.merge(*listings, key=attrgetter("key")):
        if found.key != last:
            yield found
        last = found.key


def _newer(current: Marker | None, previous: Marker | None) -> Marker | None:
    if current is None or previous is None:
        return previous
    if current.id != previous.id:
        raise ValueError(
            "STORAGE_URL and STORAGE_PREVIOUS_URL are stores of two different databases"
        )
    return max(current, previous, key=attrgetter("generation"))

"""Two stores as one, while files move from the previous store to the current one.

What is written goes to the current store; what is looked for may be in either,
and is found at every moment: an object leaves the previous store only when the
current one holds it. What operators do: docs/operations.md, "Moving to S3".
"""

import hashlib
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
    Marker,
    ObjectStore,
    StoredBytes,
    StoredObject,
)
from uploads_app.storage.keys import PREFIX

_T = TypeVar("_T")


class MovingStore:
    """The port on two stores, which are named by their aliases in STORAGES."""

    def __init__(self, current: str, previous: str) -> None:
        self._current, self._previous = current, previous

    @property
    def current(self) -> ObjectStore:
        """The store that files move to, alone."""
        return cast(ObjectStore, storages[self._current])

    @property
    def previous(self) -> ObjectStore:
        """The store that files come from, alone."""
        return cast(ObjectStore, storages[self._previous])

    @property
    def offers_forms(self) -> bool:
        """Whether browsers may send files to the current store."""
        return self.current.offers_forms

    def put(self, key: str, chunks: Iterable[bytes]) -> StoredBytes:
        if self.previous.describe(key) is not None:
            raise FileExistsError(key)
        return self.current.put(key, chunks)

    def open(self, key: str) -> IO[bytes]:
        return self._first(lambda store: store.open(key))

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
        """Give an object another key in whichever store holds it, or in both.

        It does not change stores by that: `manage.py move_storage` takes it over under either key.
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

        An object that is taken over meanwhile may be missed, as if it had been
        written during the listing: ask `describe` before concluding anything.
        """
        listings = (store.list_objects(prefix, after) for store in (self.current, self.previous))
        last = None
        for found in heapq.merge(*listings, key=attrgetter("key")):
            if found.key != last:
                yield found
            last = found.key

    def read_marker(self) -> Marker | None:
        """Return the marker of both; None if the previous store has none; ValueError if they differ.

        Before the move has begun the current store has none yet. Without one, the
        previous store may not be mounted, and then nothing may be concluded. After
        a crash in `write_marker` one is a generation behind.
        """
        current, previous = self.current.read_marker(), self.previous.read_marker()
        if current is None or previous is None:
            return previous
        if current.id != previous.id:
            raise ValueError("STORAGE_URL and STORAGE_PREVIOUS_URL lead to two deployments' stores")
        return max(current, previous, key=attrgetter("generation"))

    def create_marker(self, marker: Marker) -> None:
        """Write the first marker to both; FileExistsError if either has one."""
        if self.current.read_marker() is not None:
            raise FileExistsError("the current store has a marker")
        self.previous.create_marker(marker)
        self.current.create_marker(marker)

    def write_marker(self, marker: Marker) -> None:
        self.current.write_marker(marker)
        self.previous.write_marker(marker)

    def clock(self) -> datetime:
        """Return the current store's idea of now; OSError if either has none, or they disagree."""
        now, previous = self.current.clock(), self.previous.clock()
        if abs(now - previous) > CLOCK_TOLERANCE:
            raise OSError(f"the clocks of the two stores differ by {abs(now - previous)}")
        return now

    def temporary_files(self, before: datetime) -> Iterator[str]:
        return chain(self.current.temporary_files(before), self.previous.temporary_files(before))

    def delete_temporary(self, name: str) -> None:
        known = 0
        for store in (self.current, self.previous):
            with suppress(ValueError):  # each store has its own names for them
                store.delete_temporary(name)
                known += 1
        if not known:
            raise ValueError(f"{name} is no temporary file")

    def upload_form(
        self, key: str, *, content_type: str, size: int, lifetime: timedelta
    ) -> DirectUploadForm:
        return self.current.upload_form(
            key, content_type=content_type, size=size, lifetime=lifetime
        )

    def download_url(
        self, key: str, *, name: str, content_type: str, lifetime: timedelta
    ) -> str | None:
        """Return where the current store gives an object away.

        None if only the previous store holds it: the object may leave it within the URL's lifetime.
        """
        if self.current.describe(key) is None:
            return None
        return self.current.download_url(
            key, name=name, content_type=content_type, lifetime=lifetime
        )

    def _in_order(self) -> tuple[ObjectStore, ...]:
        """The stores to look in: the current one once more, for what was taken over in between."""
        return self.current, self.previous, self.current

    def _first(self, ask: Callable[[ObjectStore], _T]) -> _T:
        *others, last = self._in_order()
        for store in others:
            with suppress(FileNotFoundError):
                return ask(store)
        return ask(last)

    def _differ(self, key: str, target: str) -> bool:
        """Say whether both keys are taken, and by different bytes."""
        if self.describe(target) is None:
            return False
        with suppress(FileNotFoundError):
            return sha256_of(self, key) != sha256_of(self, target)
        return False


def sha256_of(store: ObjectStore, key: str) -> str:
    """Read an object to its end and return its SHA-256 (hex); FileNotFoundError if it is absent."""
    with store.open(key) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

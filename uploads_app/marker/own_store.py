"""Refuse to use a store that is known not to be this database's."""

import time
from contextlib import suppress
from datetime import timedelta
from weakref import WeakKeyDictionary

from django.db.models import Q
from django.db.models.functions import Now

from uploads_app.marker.comparison import (
    MarkerDiffers,
    compare,
    compare_halves,
    compare_to,
    read,
    read_state,
)
from uploads_app.models import StoreState
from uploads_app.storage.base import Marker, ObjectStore, object_store

# These mean that the store is another one, or an old state of the right one.
_OTHER_STORE = frozenset(
    {"marker_missing", "marker_unreadable", "marker_unknown", "marker_foreign", "store_behind"}
)
_NOTE_EVERY = timedelta(minutes=1)
_recent: WeakKeyDictionary[ObjectStore, tuple[float, Marker | None]] = WeakKeyDictionary()


class StoreNotOurs(OSError):
    """The store is another one than the database knows."""


def is_own_store() -> bool:
    """Say whether both halves of the marker are there and belong together, by one statement.

    False also means that one is to be written, or that `require_own_store` says what is wrong.
    """
    with suppress(MarkerDiffers):
        marker, state = _read_recent(), read_state()
        if marker is not None and state is not None and state.generation:
            compare_halves(marker, state)
            return True
    return False


def require_own_store(*, fresh: bool = False) -> None:
    """Raise StoreNotOurs if the store is known not to be this database's: nothing may be done in it.

    A store that was never claimed is accepted. So is one that two copies of this
    database use, because their cleanups stop. Unless `fresh`, the marker of a
    bucket may have been read up to 15 seconds ago.
    """
    try:
        marker = read() if fresh else _read_recent()
        if marker is not None or StoreState.objects.filter(generation__gt=0).exists():
            compare_to(marker)
    except MarkerDiffers:
        _refuse_other_store()


def _refuse_other_store() -> None:
    try:
        compare()
    except MarkerDiffers as differs:
        if differs.code in _OTHER_STORE:
            _note_refusal(differs.code)
            raise StoreNotOurs(str(differs)) from None


def _note_refusal(code: str) -> None:
    """Let the cleanup's watch alert the administrators, even if its worker has the right store."""
    StoreState.objects.get_or_create(singleton=StoreState.SINGLETON)
    is_new = Q(refused_at=None) | Q(refused_at__lt=Now() - _NOTE_EVERY) | ~Q(refused_code=code)
    StoreState.objects.filter(is_new).update(refused_at=Now(), refused_code=code)


def _read_recent() -> Marker | None:
    """Return the marker as this process has read it lately: reading it from a bucket costs a request."""
    store = object_store()
    read_at, marker = _recent.get(store, (0.0, None))
    if marker is None or time.monotonic() - read_at > store.marker_seconds:
        marker = read()
        _recent[store] = (time.monotonic(), marker)
    return marker

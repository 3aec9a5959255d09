"""The deployment marker, which tells whether this store and this database belong together.

Both hold an id and a generation. Every run counts the generation up in the
database first and in the store second, so the store is never ahead unless the
database was set back.
"""

from contextlib import suppress
from datetime import timedelta

from django.db.models import F, Q
from django.db.models.functions import Now

from uploads_app.models import StoreState, UploadedFile
from uploads_app.storage.base import Marker, object_store

LEASE = timedelta(minutes=10)
FIRST_GENERATION = 1


class Stop(Exception):
    """Something is wrong, so nothing may be removed: `code` for machines, the sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class MarkerDiffers(Stop):
    """Store and database do not belong together."""


def claim_store() -> None:
    """Mark the store as this database's own if both are empty; otherwise change nothing.

    The database's half comes first, at generation 0; a crash before the store
    has its half is completed by the next call. Raises MarkerDiffers if the
    store's half is unreadable.
    """
    state = StoreState.objects.first()
    if state is not None and state.generation:
        return
    store = object_store()
    marker = _read()
    if marker is None:
        if not _both_empty():
            return
        if state is None:
            state, _ = StoreState.objects.get_or_create(singleton=StoreState.SINGLETON)
        with suppress(FileExistsError):  # another process made it from the same row
            store.create_marker(Marker(str(state.marker_id), FIRST_GENERATION))
    if state is not None and _belongs(state, _read()):
        StoreState.objects.filter(generation=0).update(generation=FIRST_GENERATION)


def compare() -> None:
    """Raise MarkerDiffers unless store and database hold the same marker, or are both empty."""
    # The store's half first: read after the database's, a run that ends in between would put it ahead.
    marker = _read()
    state = StoreState.objects.first()
    if marker is None:
        if (state is None or not state.generation) and _both_empty():
            return
        raise MarkerDiffers(
            "marker_missing",
            "The store has no deployment marker, though files were stored: is it the right store, "
            "and is it mounted?",
        )
    # A row at generation 0 may be there for the alarm's sake alone.
    if state is None or not (state.generation or _belongs(state, marker)):
        raise MarkerDiffers(
            "marker_unknown",
            "The store belongs to a deployment this database knows nothing of: is it the right database?",
        )
    if not _belongs(state, marker):
        raise MarkerDiffers(
            "marker_foreign",
            "The store belongs to another deployment than this database: is it the right store?",
        )
    # Generation 0 is a claim that a crash cut short: the next call of claim_store completes it.
    if marker.generation > max(state.generation, FIRST_GENERATION):
        raise MarkerDiffers(
            "store_ahead",
            f"The store has seen {marker.generation} runs, this database only {state.generation}: "
            "the database was restored from a backup, and does not know every file.",
        )


def count_up() -> int:
    """Begin a new generation, in the database first; return its number."""
    StoreState.objects.update(generation=F("generation") + 1)
    state = StoreState.objects.get()
    object_store().write_marker(Marker(str(state.marker_id), state.generation))
    return state.generation


def take_lease(holder: str) -> bool:
    """Make `holder` the one run under way; False while another one's lease is good."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    return bool(
        StoreState.objects.filter(free).update(lease_holder=holder, lease_expires_at=Now() + LEASE)
    )


def renew_lease(holder: str) -> bool:
    """Prolong a lease; False if it was lost, and then the run must not touch anything more."""
    return bool(
        StoreState.objects.filter(lease_holder=holder, lease_expires_at__gt=Now()).update(
            lease_expires_at=Now() + LEASE
        )
    )


def release_lease(holder: str) -> None:
    """Let the next run begin."""
    StoreState.objects.filter(lease_holder=holder).update(lease_holder="", lease_expires_at=None)


def _both_empty() -> bool:
    return not UploadedFile.objects.exists() and all(
        found.is_temporary for found in object_store().list_objects()
    )


def _read() -> Marker | None:
    try:
        return object_store().read_marker()
    except ValueError as error:
        raise MarkerDiffers(
            "marker_unreadable", f"The store's deployment marker cannot be understood: {error}."
        ) from error


def _belongs(state: StoreState, marker: Marker | None) -> bool:
    return marker is not None and marker.id == str(state.marker_id)

"""The deployment marker shows whether this store and this database belong together.

Both contain an id and a generation. Every run increases the generation first in
the database and then in the store. So the store is only ahead if the database
was restored from a backup.
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
    """Something is wrong, so nothing may be deleted: a stop code, and a sentence for people."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class MarkerDiffers(Stop):
    """Store and database do not belong together."""


def claim_store() -> None:
    """Mark the store as this database's store if both are empty; otherwise change nothing.

    The database's half is written first, at generation 0. After a crash in
    between, the next call writes the store's half. Raises MarkerDiffers if the
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
        with suppress(FileExistsError):  # another process created it from the same row
            store.create_marker(Marker(str(state.marker_id), FIRST_GENERATION))
    if state is not None and _belongs(state, _read()):
        StoreState.objects.filter(generation=0).update(generation=FIRST_GENERATION)


def compare() -> None:
    """Raise MarkerDiffers unless store and database have the same marker, or are both empty."""
    # Read the store's half first: otherwise a run that ends in between would make it look ahead.
    marker = _read()
    state = StoreState.objects.first()
    if marker is None:
        if (state is None or not state.generation) and _both_empty():
            return
        raise MarkerDiffers(
            "marker_missing",
            "The store has no deployment marker, but files were stored. Is it the right store, and "
            "is it mounted?",
        )
    # A row at generation 0 may exist only because of an alert.
    if state is None or not (state.generation or _belongs(state, marker)):
        raise MarkerDiffers(
            "marker_unknown",
            "The store belongs to a deployment that this database does not know. Is it the right "
            "database?",
        )
    if not _belongs(state, marker):
        raise MarkerDiffers(
            "marker_foreign",
            "The store belongs to another deployment than this database. Is it the right store?",
        )
    # Generation 0 is an interrupted claim; the next call of claim_store completes it.
    if marker.generation > max(state.generation, FIRST_GENERATION):
        raise MarkerDiffers(
            "store_ahead",
            f"The store is at generation {marker.generation}, this database only at "
            f"{state.generation}. The database was restored from a backup and does not know every "
            "file.",
        )


def count_up() -> int:
    """Increase the generation, first in the database; return it."""
    StoreState.objects.update(generation=F("generation") + 1)
    state = StoreState.objects.get()
    object_store().write_marker(Marker(str(state.marker_id), state.generation))
    return state.generation


def take_lease(holder: str) -> bool:
    """Give the lease to `holder`; False while another run has it."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lt=Now())
    return bool(
        StoreState.objects.filter(free).update(lease_holder=holder, lease_expires_at=Now() + LEASE)
    )


def renew_lease(holder: str) -> bool:
    """Renew a lease; False if it was lost. The run must then change nothing more."""
    return bool(
        StoreState.objects.filter(lease_holder=holder, lease_expires_at__gt=Now()).update(
            lease_expires_at=Now() + LEASE
        )
    )


def release_lease(holder: str) -> None:
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
            "marker_unreadable", f"The store's deployment marker cannot be read: {error}."
        ) from error


def _belongs(state: StoreState, marker: Marker | None) -> bool:
    return marker is not None and marker.id == str(state.marker_id)

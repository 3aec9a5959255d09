"""Compare the marker in the store with the database's half."""

from contextlib import suppress

from common.statements import CompiledSelect
from uploads_app.models import StoreState, UploadedFile
from uploads_app.storage.base import Marker, object_store

FIRST_GENERATION = 1
# A store that two databases have used has such a lineage until a person adopts it.
CONTESTED, FORKED = "contested:", "forked:"
_STATE = CompiledSelect(lambda: StoreState.objects.filter(pk=StoreState.SINGLETON))


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
    between, the next call writes the store's half.
    """
    state = read_state()
    if state is not None and state.generation:
        return
    store = object_store()
    try:
        marker = read()
    except MarkerDiffers:  # `compare` reports it
        return
    if marker is None:
        if not _both_empty():
            return
        if state is None:
            state, _ = StoreState.objects.get_or_create(singleton=StoreState.SINGLETON)
        with suppress(FileExistsError):  # another process created it from the same row
            store.create_marker(Marker(str(state.marker_id), FIRST_GENERATION))
    if state is not None and belongs(state, read()):
        StoreState.objects.filter(generation=0).update(generation=FIRST_GENERATION)


def compare() -> Marker | None:
    """Return the store's marker if it is this database's, None if both are empty.

    Otherwise raise MarkerDiffers.
    """
    try:
        return compare_to(read())
    except MarkerDiffers:  # a run of this database may have written between the two readings
        return compare_to(read())


def compare_to(marker: Marker | None) -> Marker | None:
    """Do `compare` for a marker that was read before."""
    # The store's half was read first: otherwise a run that ends in between would make it look ahead.
    return compare_halves(marker, read_state())


def compare_halves(marker: Marker | None, state: StoreState | None) -> Marker | None:
    """Do `compare` for both halves, of which the store's was read first."""
    if marker is None:
        if (state is None or not state.generation) and _both_empty():
            return None
        raise MarkerDiffers(
            "marker_missing",
            "The store has no deployment marker, but files were stored. Is it the right store, and "
            "is it mounted?",
        )
    # A row at generation 0 may exist only because of an alert.
    if state is None or not (state.generation or belongs(state, marker)):
        raise MarkerDiffers(
            "marker_unknown",
            "The store belongs to a deployment that this database does not know. Is it the right "
            "database?",
        )
    if not belongs(state, marker):
        raise MarkerDiffers(
            "marker_foreign",
            "The store belongs to another deployment than this database. Is it the right store?",
        )
    _compare_history(state, marker)
    return marker


def _compare_history(state: StoreState, marker: Marker) -> None:
    """Raise MarkerDiffers unless the last run that the store knows is one of this database."""
    # Generation 0 is an interrupted claim; the next call of claim_store completes it.
    generation = max(state.generation, FIRST_GENERATION)
    ours = is_known(state, marker)
    is_contested = marker.lineage.startswith(CONTESTED)
    if marker.generation > generation and not marker.lineage.startswith(FORKED):
        raise MarkerDiffers(
            "store_ahead",
            f"The store is at generation {marker.generation}, this database only at "
            f"{state.generation}. The database was restored from a backup and does not know every "
            "file. If it was not restored, another copy of it uses this store.",
        )
    # A run that died after counting up leaves the store one generation behind.
    if marker.generation < generation - (ours or is_contested):
        raise MarkerDiffers(
            "store_behind",
            f"The store is only at generation {marker.generation}, this database at "
            f"{state.generation}. The store was set back to an older state. Is it the right store?",
        )
    if not ours:
        raise MarkerDiffers(
            "database_forked",
            "Two copies of one database use this store. Each would delete files that only the "
            "other one knows.",
        )


def is_known(state: StoreState, marker: Marker) -> bool:
    """Return whether a run of this database wrote the lineage. Without a run there is none."""
    return not marker.lineage or marker.lineage in state.lineages


def _both_empty() -> bool:
    return not UploadedFile.objects.exists() and all(
        found.is_temporary for found in object_store().list_objects()
    )


def read() -> Marker | None:
    try:
        return object_store().read_marker()
    except ValueError as error:
        raise MarkerDiffers(
            "marker_unreadable", f"The store's deployment marker cannot be read: {error}."
        ) from error


def read_state() -> StoreState | None:
    return _STATE.first()


def belongs(state: StoreState, marker: Marker | None) -> bool:
    return marker is not None and marker.id == str(state.marker_id)

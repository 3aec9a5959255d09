"""Every run signs the store, so that two copies of one database notice each other."""

import secrets
from contextlib import suppress
from dataclasses import replace

from django.db.models import F

from uploads_app.marker.comparison import (
    CONTESTED,
    FORKED,
    MarkerDiffers,
    Stop,
    belongs,
    compare,
    is_known,
    read,
)
from uploads_app.models import StoreState
from uploads_app.storage.base import Marker, object_store

# Values that runs proposed and may not have written: killed runs, and runs that the store failed.
_PROPOSALS = 20


def sign(holder: str) -> Marker:
    """Write a new lineage to database and store, and return the new marker.

    Raises MarkerDiffers if another copy of this database writes, too, and Stop
    if the lease was lost.
    """
    found = compare()
    if found is None:
        raise MarkerDiffers("marker_missing", "The store has lost its deployment marker.")
    state = StoreState.objects.get()
    # Also the generation: a run that died in `count_up` has left the store one behind.
    generation = max(found.generation, state.generation)
    signed = replace(found, generation=generation, lineage=secrets.token_hex(16))
    agreed, proposed = state.lineages[:1], state.lineages[1:]
    _save_lineages(holder, [*agreed, *proposed[-_PROPOSALS:], signed.lineage])
    _swap(found, signed)
    _save_lineages(holder, [signed.lineage])
    return signed


def count_up(signed: Marker) -> int:
    """Increase the generation, first in the database; return it.

    Raises MarkerDiffers if the store does not have the marker that this run has signed any more.
    """
    if read() != signed:
        raise _changed()
    StoreState.objects.update(generation=F("generation") + 1)
    generation = StoreState.objects.get().generation
    _swap(signed, replace(signed, generation=generation))
    return generation


def contest() -> None:
    """Leave a sign in the store that a second database uses it, so that the other one stops, too.

    A database behind the store may also be a restored one, so it only contests.
    The other one has the store's generation, so it knows better and says so.
    """
    with suppress(MarkerDiffers, OSError):
        marker, state = read(), StoreState.objects.first()
        if marker is None or state is None or not belongs(state, marker):
            return
        kind = CONTESTED if marker.generation > state.generation else FORKED
        if not (is_known(state, marker) or marker.lineage.startswith((kind, FORKED))):
            lineage = kind + secrets.token_hex(8)
            object_store().swap_marker(marker, replace(marker, lineage=lineage))


def _save_lineages(holder: str, lineages: list[str]) -> None:
    if not StoreState.objects.filter(lease_holder=holder).update(lineages=lineages):
        raise _lease_lost()


def _swap(old: Marker, new: Marker) -> None:
    if not object_store().swap_marker(old, new):
        raise _changed()


def _changed() -> Stop:
    """Return why the store's marker is not the one of this run any more."""
    try:
        compare()
    except MarkerDiffers as differs:
        return differs
    return _lease_lost()


def _lease_lost() -> Stop:
    return Stop("lease_lost", "Another run took the lease, because this run was too slow.")

"""Moves every file from the previous store to the current one, while the product runs.

An object is deleted from the previous store only after its copy was read back
with the same bytes. So the objects that are left there are still to be moved,
and the next run continues after a crash at any point.
"""

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction

from audit_app.events import EventType
from audit_app.services import record
from common.database_errors import describe
from uploads_app import events, marker
from uploads_app.cleanup import stop_codes
from uploads_app.cleanup.store_contents import (
    SAMPLE_SIZE,
    Disposition,
    StoreContents,
    classified,
    count_contents,
    everything,
    hashes,
    pages,
)
from uploads_app.cleanup.verified_move import ContentDiffers, move_object
from uploads_app.marker import Stop
from uploads_app.models import RunStatus, UploadedFile
from uploads_app.storage.base import ListingIncomplete, StoredObject, object_store
from uploads_app.storage.keys import INCOMING
from uploads_app.storage.moving_store import MovingStore

logger = logging.getLogger(__name__)

_RENEW_SECONDS = 30
_PROBE = f"{INCOMING}/.one-store-or-two"


class NoPreviousStore(Exception):
    """STORAGE_PREVIOUS_URL is not set."""


@dataclass
class Move:
    """One run: the contents of the previous store before and after, moves and failures.

    `failures` lists the first keys that failed, with the reason. `after` is None
    if the run stopped.
    """

    dry_run: bool
    status: RunStatus = RunStatus.RUNNING
    before: StoreContents = field(default_factory=StoreContents)
    after: StoreContents | None = None
    moved: int = 0
    bytes_moved: int = 0
    errors: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    stop_code: str = ""
    stop_sentence: str = ""

    @property
    def exit_code(self) -> int:
        """Exit code of the command: 0 done or skipped, 1 some objects failed, 3 stopped."""
        if self.status == RunStatus.STOPPED:
            return 3
        return 1 if self.errors else 0


@dataclass
class _Lease:
    """The lease that a move and the cleanup share, so that only one of them runs."""

    holder: str
    renewed: float

    def keep(self, now: bool = False) -> None:
        """Renew the lease every 30 seconds, or `now`. Raises Stop if it was lost."""
        if not now and time.monotonic() - self.renewed < _RENEW_SECONDS:
            return
        if not marker.renew_lease(self.holder):
            raise Stop("lease_lost", "Another run took the lease, because this run was too slow.")
        self.renewed = time.monotonic()


def move_storage(
    *, limit: int | None = None, dry_run: bool = False, on_progress: Callable[[Move], None]
) -> Move:
    """Move up to `limit` objects (by default all), and return the result.

    `on_progress` is called after the previous store was counted, and after each
    object. Raises NoPreviousStore. Any other fault of the deployment raises
    nothing: the move then has the status `stopped`, with a code and a sentence.
    """
    store = object_store()
    if not isinstance(store, MovingStore):
        raise NoPreviousStore
    move = Move(dry_run)
    try:
        if dry_run:
            marker.compare()
            move.before = move.after = count_contents(store.previous, lambda: None)
            move.status = RunStatus.COMPLETED
        else:
            _run_alone(store, move, limit, on_progress)
    except Stop as stop:
        _stop(move, stop.code, str(stop))
    except marker.MarkerDiffers as differs:
        _stop(move, differs.code, str(differs))
    except ListingIncomplete as error:
        _stop(move, "listing_incomplete", f"The listing of a store ended early: {error}.")
    except OSError as error:
        _stop(move, "storage_unavailable", f"A store does not answer: {error}.")
    except (DatabaseError, InterfaceError) as error:
        _stop(move, stop_codes.of_database_error(error), describe(error))
    return move


def _run_alone(
    store: MovingStore, move: Move, limit: int | None, on_progress: Callable[[Move], None]
) -> None:
    marker.claim_store()
    marker.compare()
    with _leased() as lease:
        if lease is None:
            move.status = RunStatus.SKIPPED
            return
        _refuse_one_store(store)
        _copy_marker(store)
        move.before = count_contents(store.previous, lease.keep)
        _record(
            events.STORAGE_MOVE_BEGAN,
            objects=move.before.objects[Disposition.OURS],
            bytes=move.before.bytes[Disposition.OURS],
        )
        on_progress(move)
        _move_all(store, move, limit, lease, on_progress)
        move.after = count_contents(store.previous, lease.keep)
        move.status = RunStatus.COMPLETED
        left = move.after.objects
        _record(
            events.STORAGE_MOVE_COMPLETED,
            moved=move.moved,
            bytes=move.bytes_moved,
            errors=move.errors,
            left=left.total() - left[Disposition.UNKNOWN],
        )


@contextmanager
def _leased() -> Iterator[_Lease | None]:
    """Hold the lease inside the block; None if another run holds it."""
    lease = _Lease(secrets.token_hex(16), time.monotonic())
    if not marker.take_lease(lease.holder):
        yield None
        return
    try:
        yield lease
    finally:
        _reconnect()
        marker.release_lease(lease.holder)


def _refuse_one_store(store: MovingStore) -> None:
    """Raise Stop if both URLs name one store: the move would delete the only copies."""
    store.delete(_PROBE)  # a run that was killed here may have left it
    store.current.put(_PROBE, [b"one store or two?"])
    try:
        is_one = store.previous.describe(_PROBE) is not None
    finally:
        store.delete(_PROBE)
    if is_one:
        raise Stop("one_store", "STORAGE_URL and STORAGE_PREVIOUS_URL name the same store.")


def _copy_marker(store: MovingStore) -> None:
    """Copy the marker to the current store, unless that store has unknown files."""
    if store.current.read_marker() is None:
        for page in pages(store.current.list_objects()):
            known = UploadedFile.objects.filter(key__in=[found.key for found in page])
            if known.count() < len(page):
                raise Stop(
                    "store_not_empty",
                    "The current store has no deployment marker, but has files that this database "
                    "does not know. Is it the right store, and empty?",
                )
    stored_marker = store.read_marker()
    assert stored_marker is not None, "claim_store and compare guarantee a marker"
    store.write_marker(stored_marker)


def _move_all(
    store: MovingStore,
    move: Move,
    limit: int | None,
    lease: _Lease,
    on_progress: Callable[[Move], None],
) -> None:
    for page in pages(everything(store.previous)):
        sha256 = hashes([found.key for found in page])
        for found, disposition in classified(page):
            if move.moved == limit:
                return
            if disposition == Disposition.OURS:
                lease.keep()
                _try(store, found, sha256.get(found.key, ""), move, lease)
                on_progress(move)


def _try(store: MovingStore, found: StoredObject, sha256: str, move: Move, lease: _Lease) -> None:
    """Move one object. Count a failure and continue, unless a whole store has failed."""
    try:
        is_moved = move_object(store, found.key, sha256, lambda: lease.keep(now=True))
    except FileNotFoundError:
        return  # its visitor has deleted it
    except (ContentDiffers, OSError) as error:
        logger.error("%s was not moved: %s", found.key, error)
        move.errors += 1
        if len(move.failures) < SAMPLE_SIZE:
            move.failures.append((found.key, str(error)))
        store.clock()  # raises if the store does not answer
    else:
        if is_moved:
            move.moved += 1
            move.bytes_moved += found.size


def _stop(move: Move, code: str, sentence: str) -> None:
    """Set why the run stopped, and record it if the database allows it."""
    sentence = f"{sentence.partition(chr(10))[0].rstrip('.')}."
    move.status, move.stop_code, move.stop_sentence = RunStatus.STOPPED, code, sentence
    if move.dry_run:
        return
    try:
        _reconnect()
        _record(events.STORAGE_MOVE_STOPPED, code=code, moved=move.moved, bytes=move.bytes_moved)
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the stopped move could not be recorded: %s", error)


def _record(event: EventType, **details: Any) -> None:
    with transaction.atomic():
        record(event, **details)


def _reconnect() -> None:
    """Close the connection, so that releasing the lease opens a new one if it broke."""
    if not connection.in_atomic_block:
        connection.close()

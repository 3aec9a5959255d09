"""Taking every file from the previous store to the current one, while the product runs.

An object leaves the previous store only after the current one was read back and
held the same bytes. So what is left there is what is still to do, and a run
that dies anywhere is finished by the next one.
"""

import hashlib
import logging
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from typing import IO, Any

from django.db import DatabaseError, InterfaceError, connection, transaction

from audit_app.events import EventType
from audit_app.services import record
from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app import events, marker
from uploads_app.cleanup.reconcile import PAGE, Finding, FindingKind
from uploads_app.marker import Stop
from uploads_app.models import IN_QUOTA, QuarantinedObject, RunStatus, TrashStatus, UploadedFile
from uploads_app.storage.base import ListingIncomplete, ObjectStore, StoredObject, object_store
from uploads_app.storage.keys import ERASED, INCOMING, PREFIX, QUARANTINE, quarantine_key
from uploads_app.storage.moving_store import MovingStore, sha256_of

logger = logging.getLogger(__name__)

SAMPLE_SIZE = 200
_RENEW_SECONDS = 30
_CHUNK = 64 * 1024
_PROBE = f"{INCOMING}/.one-store-or-two"
_OBJECT = rf"{PREFIX}/{UUID_PATTERN}/{UUID_PATTERN}\.[a-z0-9]{{1,8}}"
_NOTE = rf"{ERASED}/{UUID_PATTERN}(?:\.[a-z0-9]{{1,8}})?"
_OURS = re.compile(rf"(?:{QUARANTINE}/)?{_OBJECT}|{_NOTE}")


class NoPreviousStore(Exception):
    """STORAGE_PREVIOUS_URL is not set, so there is nothing to move from."""


class ContentDiffers(Exception):
    """An object cannot be moved, because its bytes are not what they should be: the sentence says which."""


class Disposition(StrEnum):
    """What becomes of an object that the previous store holds."""

    OURS = "to be moved"
    CLOSED = "of closed files, which the cleanup removes"
    UNDER_WAY = "of uploads under way"
    UNKNOWN = "unknown, left alone"


@dataclass
class StoreContents:
    """What a store holds: objects and bytes of each fate, and the first unknown ones by name."""

    objects: Counter[Disposition] = field(default_factory=Counter)
    bytes: Counter[Disposition] = field(default_factory=Counter)
    unknown: list[Finding] = field(default_factory=list)


@dataclass
class Move:
    """One run: what the previous store held before and after, what was moved, and what failed.

    `failures` tells the first keys that failed and why; `after` is None if the run stopped.
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
        """What the command exits with: 0 well or skipped, 1 some objects failed, 3 stopped."""
        if self.status == RunStatus.STOPPED:
            return 3
        return 1 if self.errors else 0


@dataclass
class _Lease:
    """The lease that a move and the cleanup share, so that only one of them acts."""

    holder: str
    renewed: float

    def keep(self, now: bool = False) -> None:
        """Renew it when it is time, or `now`; Stop if it was lost."""
        if not now and time.monotonic() - self.renewed < _RENEW_SECONDS:
            return
        if not marker.renew_lease(self.holder):
            raise Stop("lease_lost", "Another run took over, because this one was too slow.")
        self.renewed = time.monotonic()


def move_storage(
    *, limit: int | None = None, dry_run: bool = False, on_progress: Callable[[Move], None]
) -> Move:
    """Move up to `limit` objects, all unless given, and return how it went.

    `tell` is called when the previous store has been looked through, and after
    each object. Raises NoPreviousStore; anything else that a deployment can
    have wrong raises nothing: the move then says `stopped`, with code and sentence.
    """
    store = object_store()
    if not isinstance(store, MovingStore):
        raise NoPreviousStore
    move = Move(dry_run)
    try:
        if dry_run:
            marker.compare()
            move.before = move.after = _count_contents(store.previous, lambda: None)
            move.status = RunStatus.COMPLETED
        else:
            _run_alone(store, move, limit, on_progress)
    except Stop as stop:
        _stop(move, stop.code, str(stop))
    except marker.MarkerDiffers as differs:
        _stop(move, differs.code, str(differs))
    except ListingIncomplete as error:
        _stop(move, "listing_incomplete", f"A store could not be listed to its end: {error}.")
    except OSError as error:
        _stop(move, "storage_unavailable", f"A store does not answer: {error}.")
    except (DatabaseError, InterfaceError) as error:
        _stop(move, "database_unavailable", f"The database does not answer: {error}.")
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
        _mark(store)
        move.before = _count_contents(store.previous, lease.keep)
        _write_down(
            events.STORAGE_MOVE_BEGAN,
            objects=move.before.objects[Disposition.OURS],
            bytes=move.before.bytes[Disposition.OURS],
        )
        on_progress(move)
        _move_all(store, move, limit, lease, on_progress)
        move.after = _count_contents(store.previous, lease.keep)
        move.status = RunStatus.COMPLETED
        left = move.after.objects
        _write_down(
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
        _drop_cut_connection()
        marker.release_lease(lease.holder)


def _refuse_one_store(store: MovingStore) -> None:
    """Stop if both URLs lead to one store, however they spell it: what is removed there is lost."""
    store.delete(_PROBE)  # which a run may have left that was killed here
    store.current.put(_PROBE, [b"one store or two?"])
    try:
        is_one = store.previous.describe(_PROBE) is not None
    finally:
        store.delete(_PROBE)
    if is_one:
        raise Stop("one_store", "STORAGE_URL and STORAGE_PREVIOUS_URL lead to the same store.")


def _mark(store: MovingStore) -> None:
    """Give the current store the previous one's marker, unless it belongs to somebody else."""
    if store.current.read_marker() is None:
        for page in _pages(store.current.list_objects()):
            known = UploadedFile.objects.filter(key__in=[found.key for found in page])
            if known.count() < len(page):
                raise Stop(
                    "store_not_empty",
                    "The current store has no deployment marker, but files that this database "
                    "knows nothing of: is it the right store, and empty?",
                )
    stored_marker = store.read_marker()
    assert stored_marker is not None, "claim_store and compare have seen to it"
    store.write_marker(stored_marker)


def _count_contents(store: ObjectStore, pause: Callable[[], None]) -> StoreContents:
    """Look through the previous store; nothing is changed."""
    contents = StoreContents()
    for page in _pages(_everything(store)):
        pause()
        for found, fate in _judged(page):
            contents.objects[fate] += 1
            contents.bytes[fate] += found.size
            if fate == Disposition.UNKNOWN and len(contents.unknown) < SAMPLE_SIZE:
                contents.unknown.append(Finding(FindingKind.UNKNOWN, found.key, found.size))
    return contents


def _move_all(
    store: MovingStore,
    move: Move,
    limit: int | None,
    lease: _Lease,
    on_progress: Callable[[Move], None],
) -> None:
    for page in _pages(_everything(store.previous)):
        hashes = _hashes([found.key for found in page])
        for found, fate in _judged(page):
            if move.moved == limit:
                return
            if fate == Disposition.OURS:
                lease.keep()
                _try(store, found, hashes.get(found.key, ""), move, lease)
                on_progress(move)


def _try(store: MovingStore, found: StoredObject, sha256: str, move: Move, lease: _Lease) -> None:
    """Move one object; if it fails, count it and go on, unless a store has failed as a whole."""
    try:
        taken = _take_over(store, found.key, sha256, lease)
    except FileNotFoundError:
        return  # deleted by its visitor meanwhile
    except (ContentDiffers, OSError) as error:
        logger.error("%s was not moved: %s", found.key, error)
        move.errors += 1
        if len(move.failures) < SAMPLE_SIZE:
            move.failures.append((found.key, str(error)))
        store.clock()
    else:
        if taken:
            move.moved += 1
            move.bytes_moved += found.size


def _take_over(store: MovingStore, key: str, sha256: str, lease: _Lease) -> bool:
    """Copy an object, read the copy back, and only then remove the original.

    False if its file was closed meanwhile: who closes one removes the object
    from both stores, but may have done so just before the copy was there. A
    file that is closed later finds the copy. `sha256` is what its row says, if it says it.
    """
    with store.previous.open(key) as original:
        read = hashlib.file_digest(original, "sha256").hexdigest()  # type: ignore[arg-type]
        if sha256 and read != sha256:
            raise ContentDiffers(
                "the original is damaged: its bytes are not those that were stored"
            )
        original.seek(0)
        is_ours = _copied(store.current, key, original)
    if sha256_of(store.current, key) != read:
        if is_ours or sha256:
            # Readers ask the current store first, so a bad copy must not stay beside a good original.
            lease.keep(now=True)
            store.current.delete(key)
        raise ContentDiffers("the copy in the current store has other bytes")
    if _is_closed(store, key):
        store.current.delete(key)
        return False
    store.previous.delete(key)
    return True


def _copied(store: ObjectStore, key: str, original: IO[bytes]) -> bool:
    """Write the copy; False if the key is taken, by a run that died after its copy, say."""
    try:
        store.put(key, iter(lambda: original.read(_CHUNK), b""))
    except FileExistsError:
        return False
    return True


def _is_closed(store: MovingStore, key: str) -> bool:
    """Say whether a copy is not wanted any more. What is being restored stays till it is restored."""
    if not _closed([key]):
        return False
    restored = key.removeprefix(f"{QUARANTINE}/")
    return restored == key or store.describe(restored) is not None


def _everything(store: ObjectStore) -> Iterator[StoredObject]:
    return chain.from_iterable(
        store.list_objects(prefix) for prefix in (PREFIX, QUARANTINE, ERASED, INCOMING)
    )


def _judged(page: Sequence[StoredObject]) -> Iterator[tuple[StoredObject, Disposition]]:
    closed = _closed([found.key for found in page if _OURS.fullmatch(found.key)])
    for found in page:
        if found.is_temporary or found.key.startswith(f"{INCOMING}/"):
            yield found, Disposition.UNDER_WAY
        elif not _OURS.fullmatch(found.key):
            yield found, Disposition.UNKNOWN
        else:
            yield found, Disposition.CLOSED if found.key in closed else Disposition.OURS


def _closed(keys: Sequence[str]) -> set[str]:
    """Return which of these keys should have no object, or soon have none."""
    trashed_keys = [
        key.removeprefix(f"{QUARANTINE}/") for key in keys if key.startswith(QUARANTINE)
    ]
    in_quarantine = [TrashStatus.QUARANTINING, TrashStatus.QUARANTINED]
    files = UploadedFile.objects.filter(key__in=keys).exclude(status__in=IN_QUOTA)
    trash_items = QuarantinedObject.objects.filter(key__in=trashed_keys).exclude(
        status__in=in_quarantine
    )
    return {
        *files.values_list("key", flat=True),
        *(quarantine_key(key) for key in trash_items.values_list("key", flat=True)),
    }


def _hashes(keys: Sequence[str]) -> dict[str, str]:
    shaped = [key for key in keys if _OURS.fullmatch(key)]
    return dict(UploadedFile.objects.filter(key__in=shaped).values_list("key", "sha256"))


def _pages(found: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    rest = iter(found)
    while page := list(islice(rest, PAGE)):
        yield page


def _stop(move: Move, code: str, sentence: str) -> None:
    """Say why the run stopped, and write it down where the database allows it."""
    sentence = f"{sentence.partition(chr(10))[0].rstrip('.')}."
    move.status, move.stop_code, move.stop_sentence = RunStatus.STOPPED, code, sentence
    if move.dry_run:
        return
    try:
        _drop_cut_connection()
        _write_down(
            events.STORAGE_MOVE_STOPPED, code=code, moved=move.moved, bytes=move.bytes_moved
        )
    except (DatabaseError, InterfaceError) as error:
        logger.warning("the stopped move could not be written down: %s", error)


def _write_down(event: EventType, **details: Any) -> None:
    with transaction.atomic():
        record(event, **details)


def _drop_cut_connection() -> None:
    """Let the next query open a connection, so that lease and reason are not lost with the old one."""
    if not connection.in_atomic_block:
        connection.close()

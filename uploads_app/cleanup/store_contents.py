"""The contents of the previous store of a move, and what the move does with each object."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice

from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.cleanup.findings import FindingKind
from uploads_app.cleanup.reconcile import PAGE
from uploads_app.models import IN_QUOTA, Finding, QuarantinedObject, TrashStatus, UploadedFile
from uploads_app.storage.base import ObjectStore, StoredObject
from uploads_app.storage.keys import ERASED, INCOMING, PREFIX, QUARANTINE, quarantine_key

SAMPLE_SIZE = 200
_OBJECT = rf"{PREFIX}/{UUID_PATTERN}/{UUID_PATTERN}\.[a-z0-9]{{1,8}}"
_ERASURE = rf"{ERASED}/{UUID_PATTERN}(?:\.[a-z0-9]{{1,8}})?"
_OURS = re.compile(rf"(?:{QUARANTINE}/)?{_OBJECT}|{_ERASURE}")


class Disposition(StrEnum):
    """What happens to an object of the previous store."""

    OURS = "to be moved"
    CLOSED = "of closed files, which the cleanup moves to the trash"
    UNDER_WAY = "of uploads in progress"
    UNKNOWN = "unknown, left alone"


@dataclass
class StoreContents:
    """Objects and bytes in a store by disposition, and the first unknown objects."""

    objects: Counter[Disposition] = field(default_factory=Counter)
    bytes: Counter[Disposition] = field(default_factory=Counter)
    unknown: list[Finding] = field(default_factory=list)


def count_contents(store: ObjectStore, pause: Callable[[], None]) -> StoreContents:
    """Count the objects of a store. `pause` is called once per page and may raise."""
    contents = StoreContents()
    for page in pages(everything(store)):
        pause()
        for found, disposition in classified(page):
            contents.objects[disposition] += 1
            contents.bytes[disposition] += found.size
            if disposition == Disposition.UNKNOWN and len(contents.unknown) < SAMPLE_SIZE:
                contents.unknown.append(
                    Finding(kind=FindingKind.UNKNOWN, key=found.key, size=found.size)
                )
    return contents


def everything(store: ObjectStore) -> Iterator[StoredObject]:
    return chain.from_iterable(
        store.list_objects(prefix) for prefix in (PREFIX, QUARANTINE, ERASED, INCOMING)
    )


def pages(found: Iterable[StoredObject]) -> Iterator[list[StoredObject]]:
    rest = iter(found)
    while page := list(islice(rest, PAGE)):
        yield page


def classified(page: Sequence[StoredObject]) -> Iterator[tuple[StoredObject, Disposition]]:
    """Yield each object of a page with its disposition."""
    closed = closed_keys([found.key for found in page if _OURS.fullmatch(found.key)])
    for found in page:
        if found.is_temporary or found.key.startswith(f"{INCOMING}/"):
            yield found, Disposition.UNDER_WAY
        elif found.is_link or not _OURS.fullmatch(found.key):
            yield found, Disposition.UNKNOWN
        else:
            yield found, Disposition.CLOSED if found.key in closed else Disposition.OURS


def closed_keys(keys: Sequence[str]) -> set[str]:
    """Return the keys that should have no object, or will soon have none."""
    trashed_keys = [
        key.removeprefix(f"{QUARANTINE}/") for key in keys if key.startswith(QUARANTINE)
    ]
    in_trash = [TrashStatus.QUARANTINING, TrashStatus.QUARANTINED]
    files = UploadedFile.objects.filter(key__in=keys).exclude(status__in=IN_QUOTA)
    trash_items = QuarantinedObject.objects.filter(key__in=trashed_keys).exclude(
        status__in=in_trash
    )
    return {
        *files.values_list("key", flat=True),
        *(quarantine_key(key) for key in trash_items.values_list("key", flat=True)),
    }


def hashes(keys: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each upload's key, as its row says."""
    well_formed = [key for key in keys if _OURS.fullmatch(key)]
    return dict(UploadedFile.objects.filter(key__in=well_formed).values_list("key", "sha256"))

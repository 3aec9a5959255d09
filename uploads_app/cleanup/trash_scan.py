"""Compares the objects in the trash with its entries and with the files that claim them.

Nothing here changes anything.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from uploads_app.cleanup.findings import FindingKind
from uploads_app.cleanup.reconcile import PAGE, session_of
from uploads_app.models import Finding, QuarantinedObject, TrashStatus, UploadedFile
from uploads_app.storage.base import ObjectStore, StoredObject
from uploads_app.storage.keys import QUARANTINE, key_in_trash


def find_misplaced(store: ObjectStore, pause: Callable[[], None]) -> Iterator[Finding]:
    """Yield the objects of the trash that a file claims, or that no entry knows.

    The key of such a finding is the place in the trash.
    """
    for page in pages(store):
        pause()
        yield from compare(store, page)


def pages(store: ObjectStore) -> Iterator[list[StoredObject]]:
    """Yield the objects in the trash, a page at a time."""
    trashed: Iterable[StoredObject] = store.list_objects(QUARANTINE)
    rest = (stored for stored in trashed if not stored.is_temporary)
    while page := list(islice(rest, PAGE)):
        yield page


def compare(store: ObjectStore, page: Sequence[StoredObject]) -> Iterator[Finding]:
    """Yield what is wrong with some objects of the trash now."""
    keys = {key for stored in page if (key := _original_key(stored))}
    entries = {entry.key: entry for entry in QuarantinedObject.objects.filter(key__in=keys)}
    claimed = set(UploadedFile.objects.claiming(keys).values_list("key", flat=True))
    for stored in page:
        if not (key := _original_key(stored)):
            yield Finding(kind=FindingKind.UNKNOWN, key=stored.key, size=stored.size)
            continue
        kind = _kind(store, key, entries.get(key), key in claimed)
        if kind and store.describe(stored.key):
            yield Finding(kind=kind, key=stored.key, size=stored.size)


def _original_key(stored: StoredObject) -> str:
    """Return the key that an object had outside the trash; empty if it is not one of ours."""
    key = key_in_trash(stored.key)
    return key if session_of(key) and not stored.is_link else ""


def _kind(
    store: ObjectStore, key: str, entry: QuarantinedObject | None, is_claimed: bool
) -> FindingKind | None:
    if entry is not None and entry.is_unfinished:
        return None
    is_restored = entry is not None and entry.status == TrashStatus.RESTORED
    if (is_claimed or is_restored) and store.describe(key) is None:
        return FindingKind.MISPLACED
    is_unknown = entry is None or is_restored or entry.status == TrashStatus.PURGED
    return FindingKind.UNRECORDED if is_unknown else None

"""Moves one object between two stores, and checks the copy before it deletes the original."""

import hashlib
from collections.abc import Callable
from typing import IO

from uploads_app.cleanup.store_contents import closed_keys
from uploads_app.storage.base import ObjectStore, sha256_of
from uploads_app.storage.keys import QUARANTINE
from uploads_app.storage.moving_store import MovingStore

_CHUNK = 64 * 1024


class ContentDiffers(Exception):
    """The bytes of an object or of its copy are wrong; the sentence says which."""


def move_object(store: MovingStore, key: str, sha256: str, keep_lease: Callable[[], None]) -> bool:
    """Copy an object, read the copy back, and only then delete the original.

    Returns False if its file was closed in the meantime: that deletes the object
    in both stores, but perhaps just before the copy existed. `sha256` is the hash
    in the file's row, or empty. `keep_lease` is called before a copy is deleted
    and may raise. Raises ContentDiffers, OSError.
    """
    with store.previous.open(key) as original:
        read = hashlib.file_digest(original, "sha256").hexdigest()  # type: ignore[arg-type]
        if sha256 and read != sha256:
            raise ContentDiffers(
                "the original is damaged: its bytes are not the bytes that were stored"
            )
        original.seek(0)
        is_our_copy = _copied(store.current, key, original)
    if sha256_of(store.current, key) != read:
        if is_our_copy or sha256:
            # Readers use the current store first, so a bad copy must not hide a good original.
            keep_lease()
            store.current.delete(key)
        raise ContentDiffers("the copy in the current store has other bytes")
    if _is_closed(store, key):
        keep_lease()
        store.current.delete(key)
        return False
    store.previous.delete(key)
    return True


def _copied(store: ObjectStore, key: str, original: IO[bytes]) -> bool:
    """Write the copy; False if the key exists, for example from a run that died after its copy."""
    try:
        store.put(key, iter(lambda: original.read(_CHUNK), b""))
    except FileExistsError:
        return False
    return True


def _is_closed(store: MovingStore, key: str) -> bool:
    """Return whether the copy is no longer needed. An object that is being restored is kept until then."""
    if not closed_keys([key]):
        return False
    restored = key.removeprefix(f"{QUARANTINE}/")
    return restored == key or store.describe(restored) is not None

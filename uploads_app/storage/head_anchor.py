"""The store as an anchor of the audit log's seal: an object for each head, never replaced."""

from datetime import timedelta

from django.utils import timezone

from audit_app.seal.anchors import SignedHead
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import head_key

# Longer than the audit log keeps most of its rows.
LOCKED_FOR = timedelta(days=400)


class StoreAnchor:
    """An Anchor below `seal/heads/` of the store."""

    name = "object store"

    def write(self, number: int, head: SignedHead) -> None:
        store, key = object_store(), head_key(number)
        try:
            store.put(key, [head.to_line().encode()])
        except FileExistsError:
            # Written before by a process that died, or by another one at the same time.
            if self.read(number) != head:
                raise
        store.lock_object(key, timezone.now() + LOCKED_FOR)

    def read(self, number: int) -> SignedHead | None:
        try:
            with object_store().open(head_key(number)) as file:
                content = file.read()
        except FileNotFoundError:
            return None
        try:
            return SignedHead.from_line(content.decode())
        except ValueError:
            return SignedHead(content.decode(errors="replace"), "")

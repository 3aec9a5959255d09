"""Help for tests of the seal: rows to seal, keys, and a check of the chain by other code."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import transaction

from audit_app.models import AuditLog, SealBatch, SealHead
from audit_app.seal import key_files
from audit_app.services import Personal, record
from common import context
from common.context import RequestContext
from sessions_app import events


def use_key(settings: Any, folder: Path) -> None:
    """Create a key of the seal in a folder of the test."""
    settings.AUDIT_SEAL_KEY_FILE = folder / "seal_key.pem"
    settings.AUDIT_SEAL_PUBLIC_KEYS_FILE = folder / "seal_keys.json"
    key_files.create_key()


def write_rows(number: int, *, about: uuid.UUID | None = None) -> list[AuditLog]:
    """Write events of three classes, most with personal parts, in one transaction each."""
    return [write_row(at, about or uuid.uuid4()) for at in range(number)]


def write_row(at: int, about: uuid.UUID) -> AuditLog:
    with transaction.atomic():
        return add_row(at, about)


def add_row(at: int, about: uuid.UUID) -> AuditLog:
    """Write an event in the transaction of the caller."""
    kinds = (events.CREATED, events.ENDED, events.REFUSED, events.COMPLETED, events.REVOKED)
    kind = kinds[at % len(kinds)]
    client = RequestContext(f"request-{at}", context.parse_address("192.0.2.1"), "B/1", "visitor")
    with context.using(client):
        personal = Personal(email="a@example.org") if kind is events.COMPLETED else None
        return record(kind, session_uuid=about, personal=personal)


def ids_of(batch: SealBatch) -> Iterator[int]:
    """Read the ranges of a batch without the product's parser."""
    for part in batch.ids.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


def root_of(texts: list[str]) -> str:
    """RFC 6962, section 2.1, word by word."""

    def tree(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return hashlib.sha256(b"\0" + leaves[0]).digest()
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()

    return tree([text.encode() for text in texts]).hex()


def check_chain(*, complete: bool = True) -> None:
    """Every committed row is in exactly one batch, every root fits, and there is one chain."""
    texts = dict(AuditLog.objects.values_list("id", "text"))
    sealed: Counter[int] = Counter()
    previous, batches = "0" * 64, list(SealBatch.objects.order_by("number"))
    for batch in batches:
        ids = list(ids_of(batch))
        assert len(ids) == batch.count
        assert root_of([texts[one] for one in ids]) == batch.root
        sealed.update(ids)
    for number, head in enumerate(SealHead.objects.order_by("number"), start=1):
        said = json.loads(head.text)
        assert (said["number"], said["previous"], head.previous) == (number, previous, previous)
        previous = hashlib.sha256(head.text.encode()).hexdigest()
        own = {b.retention: (b.number, b.count, b.root) for b in batches if b.head_id == number}
        assert own == {
            name: (one["batch"], one["count"], one["root"]) for name, one in said["batches"].items()
        }
    assert set(sealed.values()) <= {1}
    if complete:
        assert sealed.keys() == texts.keys()

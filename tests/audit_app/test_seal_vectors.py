"""The test vectors of docs/seal.md, checked by code that does not import ours."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PAGE = Path(__file__).resolve().parents[2] / "docs" / "seal.md"


@pytest.fixture(scope="module")
def vectors() -> Any:
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found
    return json.loads(found[1])


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def root(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return sha(b"\1", root(leaves[:split]), root(leaves[split:]))


def climb(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.3.2: the root that an audit path gives."""
    last, steps = count - 1, list(path)
    while last:
        if index % 2 or index == last:
            while not index % 2 and index:
                index, last = index >> 1, last >> 1
            leaf = sha(b"\1", steps.pop(0), leaf)
        else:
            leaf = sha(b"\1", leaf, steps.pop(0))
        index, last = index >> 1, last >> 1
    assert not steps
    return leaf


def test_t41_the_tree(vectors: Any) -> None:
    leaves = [sha(b"\0", text.encode()) for text in vectors["texts"]]
    assert [leaf.hex() for leaf in leaves] == vectors["leaf_hashes"]
    assert root(leaves).hex() == vectors["root"]
    for index, name in ((0, "path_of_the_first"), (2, "path_of_the_last")):
        path = [bytes.fromhex(one) for one in vectors[name]]
        assert climb(leaves[index], index, 3, path).hex() == vectors["root"]


def test_t43_the_head_and_its_signature(vectors: Any) -> None:
    head, public = json.loads(vectors["head"]), bytes.fromhex(vectors["public_key"])
    assert json.dumps(head, sort_keys=True, separators=(",", ":")) == vectors["head"]
    assert hashlib.sha256(vectors["head"].encode()).hexdigest() == vectors["head_hash"]
    assert hashlib.sha256(public).hexdigest()[:16] == head["key"] == vectors["key_id"]
    batch = head["batches"]["ordinary"]
    assert (batch["count"], batch["root"]) == (3, vectors["root"])
    assert batch["ids"] == hashlib.sha256(vectors["ids"].encode()).hexdigest()
    signature = bytes.fromhex(vectors["signature"])
    key = Ed25519PublicKey.from_public_bytes(public)
    key.verify(signature, vectors["head"].encode())
    with pytest.raises(InvalidSignature):
        key.verify(signature, vectors["head"].encode() + b" ")


def test_t50_the_commitment(vectors: Any) -> None:
    values = json.dumps(vectors["personal"], sort_keys=True, separators=(",", ":"))
    text = f"{vectors['salt']}\n{values}"
    assert hashlib.sha256(text.encode()).hexdigest() == vectors["commitment"]

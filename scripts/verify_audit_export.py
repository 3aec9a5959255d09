#!/usr/bin/env python3
"""Check an export of the audit log: python3 verify_audit_export.py EXPORT KEYS

EXPORT is a file of JSON Lines, as the product exports it: whole batches, or a filtered list with
a proof for each row. KEYS is the list of public keys, from /seal/keys.json or, better, a copy that
nobody could change. docs/seal.md describes both.

This file needs nothing but Python 3.8 or newer, and for the signatures either the package
`cryptography` or the program `openssl` (3.0 or newer).

Exit code 0: every row is in a batch that a trusted key has signed; 1: something differs; the
first difference is named; 2: it could not be checked; 3: all fits, but some rows are not sealed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

INTACT, DIFFERS, NOT_CHECKED, UNSEALED = 0, 1, 2, 3
FORMAT = "maria-audit-export-1"
# What comes before the 32 bytes of an Ed25519 key in a public key file (RFC 8410).
DER_PREFIX = bytes.fromhex("302a300506032b6570032100")


class Differs(Exception):
    """The export is not what was sealed."""


class NotChecked(Exception):
    """The export cannot be checked."""


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(text: str) -> bytes:
    return sha256(b"\x00", text.encode())


class Tree:
    """The root of an RFC 6962 tree, from leaves in order."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        self.count += 1
        self._peaks.append(leaf)
        size = self.count
        while size % 2 == 0:
            right, left = self._peaks.pop(), self._peaks.pop()
            self._peaks.append(sha256(b"\x01", left, right))
            size //= 2

    def root(self) -> str:
        found = self._peaks[-1] if self._peaks else sha256()
        for left in reversed(self._peaks[:-1]):
            found = sha256(b"\x01", left, found)
        return found.hex()


def root_of_path(leaf: bytes, index: int, count: int, path: list[str]) -> str:
    """Return the root that an audit path gives (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < count:
        raise Differs("a proof has an index outside its batch")
    last, steps = count - 1, list(path)
    while last:
        if index % 2 or index == last:
            while index % 2 == 0 and index:
                index, last = index // 2, last // 2
            leaf = sha256(b"\x01", bytes.fromhex(steps.pop(0)), leaf)
        else:
            leaf = sha256(b"\x01", leaf, bytes.fromhex(steps.pop(0)))
        index, last = index // 2, last // 2
    if steps:
        raise Differs("a proof is too long")
    return leaf.hex()


def verify_with_cryptography(public: bytes, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def verify_with_openssl(public: bytes, signature: bytes, message: bytes) -> bool:
    key = base64.encodebytes(DER_PREFIX + public).decode()
    pem = f"-----BEGIN PUBLIC KEY-----\n{key}-----END PUBLIC KEY-----\n"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {"key": pem.encode(), "signature": signature, "message": message}
        for file, content in files.items():
            (folder / file).write_bytes(content)
        command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", "key"]
        done = subprocess.run(
            [*command, "-sigfile", "signature", "-in", "message"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return True
    if b"Verification Failure" in done.stdout:
        return False
    raise NotChecked("openssl cannot verify Ed25519; version 3.0 or newer is needed.")


def choose_verifier() -> Callable[[bytes, bytes, bytes], bool]:
    """Return a function that verifies signatures; raises NotChecked if there is nothing for it."""
    try:
        import cryptography.hazmat.primitives.asymmetric.ed25519  # noqa: F401

        return verify_with_cryptography
    except ImportError:
        pass
    try:
        subprocess.run(["openssl", "version"], stdout=subprocess.DEVNULL, check=False)
    except OSError:
        raise NotChecked(
            "Signatures cannot be verified: install the package cryptography or the program openssl."
        ) from None
    return verify_with_openssl


class Check:
    """Reads an export line by line."""

    def __init__(
        self, keys: list[dict[str, Any]], verify: Callable[[bytes, bytes, bytes], bool]
    ) -> None:
        self.keys, self.verify = keys, verify
        self.rows = self.batches = self.unsealed = 0
        self.heads: dict[int, dict[str, Any]] = {}
        self._texts: dict[int, str] = {}
        self._open: dict[str, Any] | None = None
        self._tree = Tree()

    def line(self, values: dict[str, Any]) -> None:
        if "format" in values:
            if values["format"] != FORMAT:
                raise NotChecked("The export has an unknown format.")
        elif "head" in values and "signature" in values:
            self.close()
            self.head(values["head"], values["signature"])
        elif "row" in values:
            self.row(values)
        else:
            self.close()
            self._open, self._tree = self.batch(values["head"], values["batch"]), Tree()

    def head(self, text: str, signature: str) -> None:
        head = json.loads(text)
        number = head["number"]
        if json.dumps(head, sort_keys=True, separators=(",", ":")) != text or head["format"] != 1:
            raise Differs(f"head {number} is not canonical")
        valid = [key for key in self.keys if key["since_head"] <= number]
        if not valid or valid[-1]["id"] != head["key"]:
            raise Differs(f"head {number} is signed by a key that is not trusted")
        public = bytes.fromhex(valid[-1]["public_key"])
        if hashlib.sha256(public).hexdigest()[:16] != head["key"]:
            raise Differs(f"the key {head['key']} does not have this id")
        if not self.verify(public, bytes.fromhex(signature), text.encode()):
            raise Differs(f"the signature of head {number} is not valid")
        self.heads[number], self._texts[number] = head, text
        for before in (number - 1, number):
            self._link(before)

    def _link(self, number: int) -> None:
        """Compare a head with the one after it, if the export has both."""
        text, after = self._texts.get(number), self.heads.get(number + 1)
        if text and after:
            if hashlib.sha256(text.encode()).hexdigest() != after["previous"]:
                raise Differs(f"head {number + 1} does not continue head {number}")
            if self.heads[number]["log"] != after["log"]:
                raise Differs(f"head {number + 1} is of another log")

    def batch(self, head: int, number: int) -> dict[str, Any]:
        batches: dict[str, dict[str, Any]] = self.heads.get(head, {"batches": {}})["batches"]
        for batch in batches.values():
            if batch["batch"] == number:
                return batch
        raise Differs(f"no head before it has batch {number}")

    def row(self, values: dict[str, Any]) -> None:
        text = values["row"]
        json.loads(text)
        if "path" in values:
            batch = self.batch(values["head"], values["batch"])
            root = root_of_path(leaf_hash(text), values["index"], batch["count"], values["path"])
            if root != batch["root"]:
                raise Differs(f"the row does not belong to batch {batch['batch']}")
        elif self._open is not None:
            self._tree.add(leaf_hash(text))
        else:
            self.unsealed += 1
        self.rows += 1

    def close(self) -> None:
        """End a whole batch."""
        if self._open is not None:
            if (self._tree.count, self._tree.root()) != (self._open["count"], self._open["root"]):
                raise Differs(f"batch {self._open['batch']} has other rows than were sealed")
            self.batches += 1
        self._open, self._tree = None, Tree()


def check_file(path: str, keys_path: str) -> Check:
    with Path(keys_path).open() as file:
        keys = sorted(json.load(file)["keys"], key=lambda key: key["since_head"])
    check, number = Check(keys, choose_verifier()), 0
    with Path(path).open(encoding="ascii") as file:
        for number, line in enumerate(file, start=1):
            try:
                check.line(json.loads(line))
            except (Differs, IndexError, KeyError, TypeError, ValueError, RecursionError) as error:
                raise Differs(f"line {number}: {error or 'not a line of an export'}") from error
    try:
        check.close()
    except Differs as error:
        raise Differs(f"line {number}, the end: {error}") from error
    if not check.heads and not check.unsealed:
        raise NotChecked("The file has no heads: it is not an export with proofs.")
    return check


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__)
        return NOT_CHECKED
    try:
        check = check_file(*arguments)
    except Differs as error:
        print(f"DIFFERS: {error}")
        return DIFFERS
    except (NotChecked, OSError, ValueError, KeyError, TypeError) as error:
        print(f"Not checked: {error}")
        return NOT_CHECKED
    print(
        f"{check.rows} rows under {len(check.heads)} signed heads, {check.batches} whole batches."
    )
    numbers = sorted(check.heads)
    if numbers and numbers[-1] - numbers[0] + 1 == len(numbers):
        print(f"The heads {numbers[0]} to {numbers[-1]} are one chain.")
    if check.unsealed:
        print(f"{check.unsealed} rows are not sealed yet, so nothing is proven about them.")
        return UNSEALED
    return INTACT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

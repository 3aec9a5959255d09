"""The keys of the seal: files on the hosts, never rows of the database.

The private key is a PEM file on worker hosts. The public keys are a JSON file, which says
from which head on each key signs. Only that file decides which keys are trusted.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from audit_app.seal.problems import SealProblem

if TYPE_CHECKING:  # `cryptography` takes 16 MB, which only signing and verifying need
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


@dataclass(frozen=True)
class PublicKey:
    """A public key (hex) and the first head that it signs."""

    id: str
    public_key: str
    since_head: int


class AcceptedBreak(NamedTuple):
    """A difference that an operator accepted: verifications still report it, but not as a problem."""

    code: str
    place: str


class SigningKey:
    """A private key that was read from its file."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.public = private.public_key().public_bytes_raw()
        self.id = key_id(self.public)

    def sign(self, text: str) -> str:
        return self._private.sign(text.encode()).hex()


def key_id(public: bytes) -> str:
    return sha256(public).hexdigest()[:16]


def key_path() -> Path:
    return Path(settings.AUDIT_SEAL_KEY_FILE)


def next_key_path() -> Path:
    """Return where the next key is while a rotation is in progress."""
    return key_path().with_name(f"{key_path().name}.next")


def load_signing_key(path: Path | None = None) -> SigningKey:
    """Read the private key; raises SealProblem `key_missing` or `key_unreadable`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = path or key_path()
    try:
        private = load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError as error:
        raise SealProblem("key_missing", f"{path} does not exist.") from error
    except (OSError, ValueError, TypeError) as error:
        raise SealProblem("key_unreadable", f"{path} cannot be read as a private key.") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SealProblem("key_unreadable", f"{path} is not an Ed25519 key.")
    return SigningKey(private)


def create_key_file(path: Path) -> SigningKey:
    """Create a private key; raises FileExistsError if the file exists."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return SigningKey(private)


def public_keys() -> list[PublicKey]:
    """Return the trusted keys, in order; empty without a file. Raises SealProblem."""
    return _read_public_file()[0]


def accepted_breaks() -> list[AcceptedBreak]:
    """Return the breaks that the file of public keys accepts. Raises SealProblem."""
    return _read_public_file()[1]


def _read_public_file() -> tuple[list[PublicKey], list[AcceptedBreak]]:
    path = Path(settings.AUDIT_SEAL_PUBLIC_KEYS_FILE)
    try:
        document = json.loads(path.read_text())
        accepted = [AcceptedBreak(**one) for one in document.get("accepted", [])]
        return parse_public_keys(document), accepted
    except FileNotFoundError:
        return [], []
    except (AttributeError, OSError, ValueError, TypeError, KeyError) as error:
        sentence = f"{path} is not a list of public keys."
        raise SealProblem("public_keys_unreadable", sentence) from error


def parse_public_keys(document: Any) -> list[PublicKey]:
    """Parse the file; raises ValueError, TypeError or KeyError for anything else."""
    keys = [PublicKey(**one) for one in document["keys"]]
    if any(key_id(bytes.fromhex(one.public_key)) != one.id for one in keys):
        raise ValueError("an id is not that of its key")
    since = [one.since_head for one in keys]
    if since != sorted(set(since)):
        raise ValueError("the keys are not in order")
    return keys


def write_public_keys(keys: Sequence[PublicKey], accepted: Sequence[AcceptedBreak]) -> None:
    """Replace the file in one step."""
    path = Path(settings.AUDIT_SEAL_PUBLIC_KEYS_FILE)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(json.dumps(public_document(keys, accepted), indent=1) + "\n")
    temporary.replace(path)


def public_document(
    keys: Sequence[PublicKey], accepted: Sequence[AcceptedBreak]
) -> dict[str, list[dict[str, Any]]]:
    """Return what the file has, and what is served."""
    document = {"keys": [asdict(one) for one in keys]}
    return document | ({"accepted": [one._asdict() for one in accepted]} if accepted else {})


def key_for(keys: Sequence[PublicKey], head_number: int) -> PublicKey | None:
    """Return the key that signs a head; None if no trusted key does."""
    return next((one for one in reversed(keys) if one.since_head <= head_number), None)


def is_signed(public_key: str, signature: str, text: str) -> bool:
    """Return whether a signature (hex) of a text is by this public key (hex)."""
    from cryptography.exceptions import InvalidSignature

    try:
        _verifier(public_key).verify(bytes.fromhex(signature), text.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=64)
def _verifier(public_key: str) -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))

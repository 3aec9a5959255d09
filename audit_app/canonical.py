"""The canonical text of an audit event, which is stored, hashed and, later, sealed."""

import hashlib
import json
from collections.abc import Mapping

Value = str | int | bool | None

MAX_INTEGER = 2**53
# What most values are, and what needs no check.
_PLAIN = (str, type(None))
_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
)


def canonical_text(values: Mapping[str, object]) -> str:
    """Return `values` as one line of ASCII JSON with sorted keys.

    Values are strings, integers within ±2^53, booleans, None, or mappings of
    those, so that any JSON parser reads the text back exactly. Raises TypeError
    or ValueError for anything else.
    """
    _check(values)
    return _ENCODER.encode(values)


def commitment(salt: str, values: Mapping[str, Value]) -> str:
    """Return the SHA-256 that commits an event to personal values without containing them."""
    return hashlib.sha256(f"{salt}\n{canonical_text(values)}".encode("ascii")).hexdigest()


def _check(value: object) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if type(key) is not str:
                raise TypeError(f"an audit key must be a string, not a {type(key).__name__}")
            if type(item) not in _PLAIN:
                _check(item)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise ValueError(f"{value} is too large: JSON parsers read it inexactly")
    elif not isinstance(value, str):
        raise TypeError(f"an audit value cannot be a {type(value).__name__}")

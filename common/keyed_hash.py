"""Hashes under SECRET_KEY, for secrets that are too short to be stored by a plain hash."""

from django.conf import settings
from django.utils.crypto import salted_hmac


def secret_keys() -> list[str]:
    """Return SECRET_KEY and then its fallbacks."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def keyed_hash(salt: str, value: str) -> str:
    """Return the hash of a value to store."""
    return keyed_hashes(salt, value)[0]


def keyed_hashes(salt: str, value: str) -> list[str]:
    """Return the hashes that a stored one may have: under SECRET_KEY, and under each fallback."""
    return [salted_hmac(salt, value, key, algorithm="sha256").hexdigest() for key in secret_keys()]

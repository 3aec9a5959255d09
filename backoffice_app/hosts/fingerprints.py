"""What a process reports of its keys and settings, without their values."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from common.keyed_hash import keyed_hashes

_SALT = "backoffice_app.hosts"
_LENGTH = 16
# Settings that every process needs.
SHARED = (
    "PUBLIC_URL",
    "UPLOAD_RETENTION",
    "COMPLETED_RETENTION",
    "UPLOAD_LEASE",
    "CLEANUP_GRACE",
    "TRASH_RETENTION",
)
# Settings that a worker may lack.
WEB_ONLY = (
    "ALLOWED_ORIGINS",
    "SESSION_UNUSED_LIMIT",
    "SESSION_IDLE_LIMIT",
    "SESSION_ABSOLUTE_LIMIT",
    "SESSION_COMPLETED_LIMIT",
    "CONSENT_PURPOSES",
    "UPLOAD_TYPES",
    "UPLOAD_MAX_BYTES",
    "UPLOAD_MAX_FILES",
    "UPLOAD_MAX_TOTAL_BYTES",
    "DIRECT_UPLOADS",
    "HOLD_DOWNLOADS",
    "RATE_LIMIT_TRUSTED_NETWORKS",
    "RATE_LIMIT_TRUSTED_FACTOR",
    "STAFF_IDLE_LIMIT",
    "STAFF_SESSION_LIMIT",
    "STAFF_SECOND_FACTOR",
)


def of_keys() -> list[str]:
    """Return a fingerprint of SECRET_KEY and of each fallback.

    Each is an HMAC under the key itself. It helps to guess the key no more than any text
    that the product signs.
    """
    return [digest[:_LENGTH] for digest in keyed_hashes(_SALT, "")]


def of_settings(*, with_web: bool) -> dict[str, str]:
    """Return a fingerprint of each setting that must agree, without passwords in URLs."""
    return {name: _hash(value) for name, value in _values(with_web)}


def _values(with_web: bool) -> Iterator[tuple[str, Any]]:
    stores = settings.STORAGES
    yield "STORAGE_URL", _store(stores.get("uploads_current", stores["uploads"]))
    yield "STORAGE_PREVIOUS_URL", _store(stores.get("uploads_previous"))
    yield from _of(SHARED)
    if with_web:
        yield from _of(WEB_ONLY)
        yield "CACHE_URL", _server(settings.CACHE_URL)
        for policy, limits in settings.RATE_LIMITS.items():
            yield f"RATE_LIMIT_{policy.upper()}", limits


def _of(names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(settings, name)) for name in names)


def _store(entry: dict[str, Any] | None) -> str:
    """Return the name of the bucket, or `a folder`. Paths of folders may differ: the marker is compared."""
    return entry.get("OPTIONS", {}).get("bucket_name", "a folder") if entry else ""


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}{parts.path}" if url else ""


def _hash(value: Any) -> str:
    plain = sorted(value) if isinstance(value, list) else value
    return hashlib.sha256(json.dumps(plain, default=str).encode()).hexdigest()[:_LENGTH]

"""Turns STORAGE_URL into entries of Django's STORAGES."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

_S3_OPTIONS = frozenset({"endpoint_url", "region_name", "public_endpoint_url"})
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def storage(name: str, url: str, folder: Path) -> dict[str, Any]:
    """Return the entry of STORAGES for a URL, or for `folder` if the URL is empty.

    `s3://[KEY:SECRET@]bucket[?endpoint_url=…&region_name=…&public_endpoint_url=…]`, or
    `file:///folder`. Errors do not quote the URL, because it may contain a secret.
    """
    if not url:
        return _disk(folder)
    try:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _disk(_folder(parts))
        return {"BACKEND": "uploads_app.storage.s3_store.S3Store", "OPTIONS": _bucket(parts)}
    except ValueError as error:
        # Messages of urlsplit and int quote their input.
        reason = f"{error}: " if isinstance(error, _Unusable) else ""
        raise ImproperlyConfigured(
            f"{name}: {reason}write s3://KEY:SECRET@bucket?endpoint_url=https://s3.example.com, each "
            "part percent-encoded, or file:///srv/maria/storage"
        ) from None


class _Unusable(ValueError):
    """An error in a URL. The message contains no secret."""


def _disk(folder: Path) -> dict[str, Any]:
    return {"BACKEND": "uploads_app.storage.disk_store.DiskStore", "OPTIONS": {"location": folder}}


def _folder(parts: SplitResult) -> Path:
    if parts.netloc or parts.query or parts.fragment or not parts.path.strip("/"):
        raise _Unusable("a file: URL has an absolute path and nothing else")
    return Path(unquote(parts.path))


def _bucket(parts: SplitResult) -> dict[str, str]:
    """Return the options of an S3Store. Raises ValueError; _Unusable if a message can be shown."""
    if parts.scheme != "s3":
        raise _Unusable("the scheme must be s3 or file")
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    bucket = parts.netloc.rpartition("@")[2]
    if parts.path.strip("/") or parts.fragment or not _BUCKET.fullmatch(bucket):
        raise _Unusable("invalid bucket name")
    if options.keys() - _S3_OPTIONS:
        raise _Unusable(f"the only options are {', '.join(sorted(_S3_OPTIONS))}")
    for option in ("endpoint_url", "public_endpoint_url"):
        if option in options and not _is_endpoint(options[option]):
            raise _Unusable(f"{option} must be an address like https://s3.example.com")
    if bool(parts.username) != bool(parts.password):
        raise _Unusable("a key needs a secret, and a secret needs a key")
    if parts.username and parts.password:
        options |= {
            "access_key": unquote(parts.username),
            "secret_key": unquote(parts.password),
        }
    return {**options, "bucket_name": bucket}


def _is_endpoint(text: str) -> bool:
    parts = urlsplit(text)
    _ = parts.port  # raises ValueError
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and not ("@" in parts.netloc or parts.path.strip("/") or parts.query or parts.fragment)
    )


def moving(current: dict[str, Any], previous: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the entries of STORAGES for a move from `previous` to `current`."""
    aliases = {"current": "uploads_current", "previous": "uploads_previous"}
    return {
        "uploads": {"BACKEND": "uploads_app.storage.moving_store.MovingStore", "OPTIONS": aliases},
        aliases["current"]: current,
        aliases["previous"]: previous,
    }

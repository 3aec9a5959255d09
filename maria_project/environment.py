"""How settings read what needs more than a type: secrets, URLs, the time zone, production or not."""

import os
import re
import secrets
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from environs import Env

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Old name of a setting -> its name. The old name is read for one version.
RENAMED_SETTINGS = {"ALARM_EMAILS": "ALERT_EMAILS", "QUARANTINE_RETENTION": "TRASH_RETENTION"}
_S3_OPTIONS = frozenset({"endpoint_url", "region_name", "public_endpoint_url"})
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def read_old_names(environ: MutableMapping[str, str]) -> list[str]:
    """Set each renamed setting that has only its old name; return the old names that are set."""
    in_use = [old for old in RENAMED_SETTINGS if old in environ]
    for old in in_use:
        environ.setdefault(RENAMED_SETTINGS[old], environ[old])
    return in_use


def secret(env: Env, name: str) -> str:
    """Read a secret from NAME, or from the file that NAME_FILE points to; empty if neither is set."""
    path = env.str(f"{name}_FILE", "")
    if not path:
        return env.str(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(f"{name}_FILE: cannot read {path}: {error.strerror}") from error


def time_zone(env: Env) -> str:
    """Read TIME_ZONE, a name of the IANA database like `Europe/Berlin`."""
    name = env.str("TIME_ZONE", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImproperlyConfigured(f"TIME_ZONE: there is no time zone {name!r}") from error
    return name


def mail_server(env: Env) -> dict[str, Any]:
    """Read EMAIL_URL as Django's EMAIL_ settings; without it mail is written to the terminal."""
    parsed: dict[str, Any] = env.dj_email_url("EMAIL_URL", secret(env, "EMAIL_URL") or "console://")
    if "EMAIL_BACKEND" not in parsed:
        raise ImproperlyConfigured(
            "EMAIL_URL: write submission://user:password@host (STARTTLS), smtp://host:465?ssl=true, "
            "smtp://host or console://"
        )
    return parsed


def redis_url(name: str, url: str) -> str:
    """Return the URL of a Redis server, or raise without quoting it: it may hold a password."""
    from redis.connection import ConnectionPool

    try:
        ConnectionPool.from_url(url).make_connection()  # which does not connect yet
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(
            f"{name}: that is no URL of a Redis server, write redis://host:6379/0"
        ) from error
    return url


def storage(name: str, url: str, folder: Path) -> dict[str, Any]:
    """Return the entry of STORAGES for a URL, without one a folder on this machine's disk.

    `s3://[KEY:SECRET@]bucket[?endpoint_url=…&region_name=…&public_endpoint_url=…]`, or
    `file:///folder`. An error does not quote the URL: it may hold a secret.
    """
    if not url:
        return _disk(folder)
    try:
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _disk(_folder(parts))
        return {"BACKEND": "uploads_app.storage.s3_store.S3Store", "OPTIONS": _bucket(parts)}
    except ValueError as error:
        # What urlsplit and int say quotes what they were given.
        reason = f"{error}: " if isinstance(error, _Unusable) else ""
        raise ImproperlyConfigured(
            f"{name}: {reason}write s3://KEY:SECRET@bucket?endpoint_url=https://s3.example.com, each "
            "part percent-encoded, or file:///srv/maria/storage"
        ) from None


class _Unusable(ValueError):
    """What is wrong with a URL, in words that quote nothing secret."""


def _disk(folder: Path) -> dict[str, Any]:
    return {"BACKEND": "uploads_app.storage.disk_store.DiskStore", "OPTIONS": {"location": folder}}


def _folder(parts: SplitResult) -> Path:
    if parts.netloc or parts.query or parts.fragment or not parts.path.strip("/"):
        raise _Unusable("a file: URL holds an absolute path and nothing else")
    return Path(unquote(parts.path))


def _bucket(parts: SplitResult) -> dict[str, str]:
    """Return the options of an S3Store; raise ValueError, best _Unusable, if they cannot work."""
    if parts.scheme != "s3":
        raise _Unusable("the scheme is neither s3 nor file")
    options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    bucket = parts.netloc.rpartition("@")[2]
    if parts.path.strip("/") or parts.fragment or not _BUCKET.fullmatch(bucket):
        raise _Unusable("that is no name of a bucket")
    if options.keys() - _S3_OPTIONS:
        raise _Unusable(f"it has another option than {', '.join(sorted(_S3_OPTIONS))}")
    for option in ("endpoint_url", "public_endpoint_url"):
        if option in options and not _is_endpoint(options[option]):
            raise _Unusable(f"{option} is no address like https://s3.example.com")
    if bool(parts.username) != bool(parts.password):
        raise _Unusable("key and secret belong together")
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
    """Return entries of STORAGES for a deployment whose files move from one store to another."""
    aliases = {"current": "uploads_current", "previous": "uploads_previous"}
    return {
        "uploads": {"BACKEND": "uploads_app.storage.moving_store.MovingStore", "OPTIONS": aliases},
        aliases["current"]: current,
        aliases["previous"]: previous,
    }


def generated_secret(path: Path) -> str:
    """Return the development secret kept in `path` (0600), making it the first time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(value := secrets.token_urlsafe(48))
    return value


def made(folder: Path) -> Path:
    """Return a folder, made for us alone if the disk allows it; Django's own checks say so if not."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def exact_origins(origins: Iterable[str]) -> list[str]:
    """Return patterns that match exactly these origins, for django-cors-headers.

    Its own list compares what `urlsplit` makes of both sides, and so takes
    `HTTPS://shop.example` and `https://shop.example/path` for the origin listed.
    `null` is what every sandboxed page calls itself, so it is never listed.
    """
    return [rf"{re.escape(origin)}\Z" for origin in origins if origin != "null"]


def is_production(public_url: str) -> bool:
    """Say whether a deployment is real: it has a public URL that is not loopback."""
    return bool(public_url) and urlsplit(public_url).hostname not in LOOPBACK_HOSTS

"""How settings read what needs more than a type: secrets, URLs, the time zone, production or not."""

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from environs import Env

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


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
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if not url or (parts.scheme == "file" and parts.path and not (parts.netloc or options)):
        location = Path(unquote(parts.path)) if url else folder
        return {"BACKEND": "uploads_app.disk_store.DiskStore", "OPTIONS": {"location": location}}
    known = {"endpoint_url", "region_name", "public_endpoint_url"}
    if (
        parts.scheme != "s3"
        or not parts.hostname
        or parts.path.strip("/")
        or options.keys() - known
    ):
        raise ImproperlyConfigured(
            f"{name}: write s3://KEY:SECRET@bucket?endpoint_url=https://s3.example.com or "
            f"file:///srv/maria/storage; after the question mark may stand {', '.join(sorted(known))}"
        )
    if parts.username:
        options["access_key"] = unquote(parts.username)
        options["secret_key"] = unquote(parts.password or "")
    options["bucket_name"] = parts.hostname
    return {"BACKEND": "uploads_app.s3_store.S3Store", "OPTIONS": options}


def moving(current: dict[str, Any], previous: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return entries of STORAGES for a deployment whose files move from one store to another."""
    aliases = {"current": "uploads_current", "previous": "uploads_previous"}
    return {
        "uploads": {"BACKEND": "uploads_app.moving_store.MovingStore", "OPTIONS": aliases},
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

"""Reads the environment: `.env`, secrets, URLs, and values that need a check."""

import grp
import os
import re
import secrets
from collections.abc import Iterable, MutableMapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured
from environs import Env

from common.durations import parse_duration

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
# Old name of a setting -> its name. The old name is read for one version.
RENAMED_SETTINGS = {"ALARM_EMAILS": "ALERT_EMAILS", "QUARANTINE_RETENTION": "TRASH_RETENTION"}

# Every entry point reads the settings before it creates a file: only this account may open it.
os.umask(0o077)

BASE_DIR = Path(__file__).resolve().parents[2]


class SettingsEnv(Env):
    """Env's own `timedelta` takes a number without a unit for seconds."""

    def duration(self, name: str, default: timedelta) -> timedelta:
        """Read a duration like `30m`; the unit is required."""
        text = self.str(name, None)
        if text is None:
            return default
        try:
            return parse_duration(text)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}") from error


env = SettingsEnv()
env.read_env(os.environ.get("ENV_FILE", str(BASE_DIR / ".env")), recurse=False)


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


def remove_secret(name: str) -> None:
    """Remove a secret that only this process needs from the environment."""
    for variable in (name, f"{name}_FILE"):
        os.environ.pop(variable, None)


def time_zone(env: Env) -> str:
    """Read TIME_ZONE, a name of the IANA database like `Europe/Berlin`."""
    name = env.str("TIME_ZONE", "UTC")
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ImproperlyConfigured(f"TIME_ZONE: unknown time zone {name!r}") from error
    return name


def mail_server(env: Env) -> dict[str, Any]:
    """Read EMAIL_URL as Django's EMAIL_ settings; by default mail is printed to the terminal."""
    parsed: dict[str, Any] = env.dj_email_url("EMAIL_URL", secret(env, "EMAIL_URL") or "console://")
    if "EMAIL_BACKEND" not in parsed:
        raise ImproperlyConfigured(
            "EMAIL_URL: write submission://user:password@host (STARTTLS), smtp://host:465?ssl=true, "
            "smtp://host or console://"
        )
    return parsed


def redis_url(name: str, url: str) -> str:
    """Validate the URL of a Redis server; errors do not quote it, because it may contain a password."""
    from redis.connection import ConnectionPool

    try:
        ConnectionPool.from_url(url).make_connection()  # parses the URL, does not connect
    except (ValueError, TypeError) as error:
        raise ImproperlyConfigured(
            f"{name}: not the URL of a Redis server. Write redis://host:6379/0"
        ) from error
    return url


def generated_secret(path: Path) -> str:
    """Return the development secret in `path`; create it the first time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    with os.fdopen(descriptor, "w") as file:
        file.write(value := secrets.token_urlsafe(48))
    return value


def private_folder(folder: Path) -> Path:
    """Create a folder if possible. Django's checks report a missing folder."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def storage_group(name: str) -> int | None:
    """Return the number of a group of this machine; None for an empty name."""
    try:
        return grp.getgrnam(name).gr_gid if name else None
    except KeyError as error:
        raise ImproperlyConfigured(f"STORAGE_GROUP: there is no group {name!r}") from error


def exact_origins(origins: Iterable[str]) -> list[str]:
    """Return patterns that match exactly these origins, for django-cors-headers.

    Its own list compares the results of `urlsplit`, and so also accepts
    `HTTPS://shop.example` and `https://shop.example/path`. `null` is left out:
    it is the origin of every sandboxed page.
    """
    return [rf"{re.escape(origin)}\Z" for origin in origins if origin != "null"]


def is_production(public_url: str) -> bool:
    """Return whether PUBLIC_URL names a host other than this machine."""
    return bool(public_url) and urlsplit(public_url).hostname not in LOOPBACK_HOSTS


OLD_SETTING_NAMES = read_old_names(os.environ)

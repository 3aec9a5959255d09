"""Start-up checks for settings that are valid but unsafe or contradictory."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connections

from backoffice_app.accounts.second_factor import OPTIONAL, REQUIRED
from common.checks import SETTINGS
from maria_project import database_move
from maria_project.private_files import wide
from maria_project.settings.environment import LOOPBACK_HOSTS, RENAMED_SETTINGS
from sessions_app.checks import network_error

MINUTE = timedelta(minutes=1)


@register(SETTINGS)
def check_public_url(**_: Any) -> list[CheckMessage]:
    """The `__Host-` cookie needs HTTPS."""
    if not settings.PRODUCTION or urlsplit(settings.PUBLIC_URL).scheme == "https":
        return []
    return [
        Error(
            "PUBLIC_URL is not https, so browsers would refuse the session cookie.",
            hint="Serve the product over HTTPS and write PUBLIC_URL=https://…",
            id="maria_project.E001",
        )
    ]


@register(SETTINGS)
def check_debug(**_: Any) -> list[CheckMessage]:
    """Debug pages show settings and source code to everyone."""
    if not (settings.PRODUCTION and settings.DEBUG):
        return []
    return [
        Error(
            "DEBUG is on although PUBLIC_URL names a real host.",
            hint="Leave DEBUG unset in production.",
            id="maria_project.E002",
        )
    ]


@register(SETTINGS)
def check_origins(**_: Any) -> list[CheckMessage]:
    """Origins are compared exactly, so a path or a wildcard never matches."""
    wrong = [origin for origin in settings.ALLOWED_ORIGINS if not _is_origin(origin)]
    return [
        Error(
            f"ALLOWED_ORIGINS contains {origin!r}, which is not an origin.",
            hint="Write scheme, host and any non-default port in lower case, like https://example.com.",
            id="maria_project.E003",
        )
        for origin in wrong
    ]


@register(SETTINGS)
def check_proxies(**_: Any) -> list[CheckMessage]:
    """Behind a proxy that is not counted, all visitors share one rate limit."""
    if settings.TRUSTED_PROXIES < 0:
        return [
            Error(
                "TRUSTED_PROXIES is negative.",
                hint="Set it to the number of your own proxies in front of the application.",
                id="maria_project.E004",
            )
        ]
    if settings.PRODUCTION and settings.TRUSTED_PROXIES == 0:
        return [
            Warning(
                "TRUSTED_PROXIES is 0: behind a proxy, all visitors share one rate limit and HTTPS "
                "is not detected.",
                hint="Set TRUSTED_PROXIES to the number of your own proxies in front of the application.",
                id="maria_project.W001",
            )
        ]
    return []


@register(SETTINGS)
def check_secret_key(**_: Any) -> list[CheckMessage]:
    """A short key can be guessed."""
    keys = {
        "SECRET_KEY": [settings.SECRET_KEY],
        "SECRET_KEY_FALLBACKS": settings.SECRET_KEY_FALLBACKS,
    }
    short = [name for name, values in keys.items() if any(len(value) < 50 for value in values)]
    if not settings.PRODUCTION:
        return []
    return [
        Error(
            f"A key of {name} is shorter than 50 characters.",
            hint="Generate one with `python -c 'import secrets; print(secrets.token_urlsafe(48))'`.",
            id="maria_project.E005",
        )
        for name in short
    ]


@register(SETTINGS)
def check_mail(**_: Any) -> list[CheckMessage]:
    """Without a mail server, codes for visitors are printed to the terminal."""
    if not settings.PRODUCTION or not settings.EMAIL_BACKEND.endswith("console.EmailBackend"):
        return []
    return [
        Warning(
            "EMAIL_URL is empty: visitors cannot prove their e-mail address.",
            hint="Set EMAIL_URL, like submission://user:password@mail.example.com.",
            id="maria_project.W002",
        )
    ]


@register(SETTINGS)
def check_alert_emails(**_: Any) -> list[CheckMessage]:
    """Warn if ALERT_EMAILS is empty: cleanup alerts would go nowhere."""
    if settings.PRODUCTION and not settings.ALERT_EMAILS:
        return [
            Warning(
                "ALERT_EMAILS is empty: cleanup alerts would go nowhere.",
                hint="Set ALERT_EMAILS to one or more addresses, separated by commas.",
                id="maria_project.W003",
            )
        ]
    return [
        Error(
            f"ALERT_EMAILS contains {email!r}, which is not an e-mail address.",
            hint="Write plain addresses like ops@example.com, separated by commas.",
            id="maria_project.E007",
        )
        for email in settings.ALERT_EMAILS
        if not _is_email(email)
    ]


@register(SETTINGS)
def check_old_names(**_: Any) -> list[CheckMessage]:
    """Warn about settings that are set under an old name, which the next version does not read."""
    return [
        Warning(
            f"{old} is the old name of {RENAMED_SETTINGS[old]}; the next version does not read it.",
            hint=f"Rename {old} to {RENAMED_SETTINGS[old]}.",
            id="maria_project.W005",
        )
        for old in settings.OLD_SETTING_NAMES
    ]


@register(SETTINGS)
def check_metrics_networks(**_: Any) -> list[CheckMessage]:
    """Each item must be a network; otherwise every scrape would fail."""
    return [
        Error(
            f"METRICS_NETWORKS: {error}.",
            hint="Write networks like 10.1.0.0/16 or 2001:db8::/32, separated by commas.",
            id="maria_project.E006",
        )
        for text in settings.METRICS_NETWORKS
        if (error := network_error(text))
    ]


@register(SETTINGS)
def check_second_factor(**_: Any) -> list[CheckMessage]:
    """An unknown value would disable the second factor."""
    if settings.STAFF_SECOND_FACTOR in (OPTIONAL, REQUIRED):
        return []
    return [
        Error(
            f"STAFF_SECOND_FACTOR is {settings.STAFF_SECOND_FACTOR!r}, an unknown value.",
            hint="Write optional or required.",
            id="maria_project.E008",
        )
    ]


@register(SETTINGS)
def check_staff_limits(**_: Any) -> list[CheckMessage]:
    """Activity is recorded once a minute, so a shorter limit has no effect."""
    if MINUTE <= settings.STAFF_IDLE_LIMIT <= settings.STAFF_SESSION_LIMIT:
        return []
    return [
        Error(
            "STAFF_IDLE_LIMIT is below a minute or above STAFF_SESSION_LIMIT.",
            hint="Write durations like 1h and 12h, with the idle limit not above the other.",
            id="maria_project.E009",
        )
    ]


@register(SETTINGS)
def check_web_processes(**_: Any) -> list[CheckMessage]:
    """Without a shared cache, each process would allow the full limits."""
    if settings.WEB_PROCESSES == 1 or (settings.WEB_PROCESSES > 1 and settings.CACHE_URL):
        return []
    return [
        Error(
            f"WEB_PROCESSES is {settings.WEB_PROCESSES}; several web processes need CACHE_URL, "
            "because each would allow the full rate limits.",
            hint="Set WEB_PROCESSES to 1, or to more and CACHE_URL to a Redis server.",
            id="maria_project.E010",
        )
    ]


@register(Tags.database)
def check_database_move(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Until a move is done, rows and indexes are missing."""
    return [
        Error(
            "The move of the old database into this one is not done.",
            hint="Run manage.py move_database until it says Done.",
            id="maria_project.E011",
        )
        for alias in databases or []
        if database_move.TABLE in connections[alias].introspection.table_names()
    ]


@register(SETTINGS)
def check_file_rights(**_: Any) -> list[CheckMessage]:
    """The start corrects rights only where this account owns the file."""
    path = next(wide(), None)
    if path is None:
        return []
    return [
        Warning(
            f"The rights of {path} could not be corrected: other accounts may open it, or the group "
            "STORAGE_GROUP may not.",
            hint="Run chmod -R go-rwx on DATA_DIR and the store, and make this account a member of "
            "STORAGE_GROUP.",
            id="maria_project.W006",
        )
    ]


def _is_email(text: str) -> bool:
    try:
        validate_email(text)
    except ValidationError:
        return False
    return True


@register(SETTINGS)
def check_endpoints(**_: Any) -> list[CheckMessage]:
    """Without TLS, anyone on the network path to the store can read every file."""
    options = settings.STORAGES["uploads"].get("OPTIONS", {})
    plain = [
        name for name in ("endpoint_url", "public_endpoint_url") if _is_plain(options.get(name))
    ]
    if not (settings.PRODUCTION and plain):
        return []
    return [
        Warning(
            f"STORAGE_URL: with {' and '.join(plain)} files would cross a network unencrypted.",
            hint="Write https://…, unless the network is private and includes the browsers.",
            id="maria_project.W004",
        )
    ]


def _is_plain(url: str | None) -> bool:
    """Return whether a URL is plain HTTP to another machine."""
    parts = urlsplit(url or "")
    return parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS


def _is_origin(text: str) -> bool:
    parts = urlsplit(text)
    # Browsers always write it in lower case.
    return (
        bool(parts.scheme and parts.netloc) and text == f"{parts.scheme}://{parts.netloc.lower()}"
    )

"""Start-up checks of the session settings."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from common.checks import SETTINGS
from common.context import parse_network
from sessions_app.limits import parse_rate


@register(SETTINGS)
def check_lifetimes(**_: Any) -> list[CheckMessage]:
    if (
        settings.SESSION_UNUSED_LIMIT
        <= settings.SESSION_IDLE_LIMIT
        <= settings.SESSION_ABSOLUTE_LIMIT
        <= settings.SESSION_COMPLETED_LIMIT
    ):
        return []
    return [
        Error(
            "The lifetimes of a session contradict each other.",
            hint=(
                "Set SESSION_UNUSED_LIMIT ≤ SESSION_IDLE_LIMIT ≤ SESSION_ABSOLUTE_LIMIT "
                "≤ SESSION_COMPLETED_LIMIT."
            ),
            id="sessions_app.E001",
        )
    ]


@register(SETTINGS)
def check_rates(**_: Any) -> list[CheckMessage]:
    return [
        Error(f"{error}.", hint=f"Correct RATE_LIMIT_{name.upper()}.", id="sessions_app.E002")
        for name, rates in settings.RATE_LIMITS.items()
        for rate in rates
        if (error := _rate_error(rate))
    ]


@register(SETTINGS)
def check_purposes(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"CONSENT_PURPOSES contains {purpose!r}, which is not a valid name.",
            hint="Use 1 to 40 lower-case letters, digits, _ or -, for example contact.",
            id="sessions_app.E005",
        )
        for purpose in settings.CONSENT_PURPOSES
        if not re.fullmatch("[a-z0-9_-]{1,40}", purpose)
    ]


@register(SETTINGS)
def check_trusted_networks(**_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"RATE_LIMIT_TRUSTED_NETWORKS: {error}.",
            hint="Write networks like 10.1.0.0/16 or 2001:db8::/32, separated by commas.",
            id="sessions_app.E003",
        )
        for text in settings.RATE_LIMIT_TRUSTED_NETWORKS
        if (error := network_error(text))
    ]


@register(SETTINGS)
def check_trusted_factor(**_: Any) -> list[CheckMessage]:
    if settings.RATE_LIMIT_TRUSTED_FACTOR >= 1:
        return []
    return [
        Error(
            "RATE_LIMIT_TRUSTED_FACTOR is below 1: trusted networks would get lower limits than others.",
            hint="Set it to the factor by which the limits of trusted networks are higher.",
            id="sessions_app.E004",
        )
    ]


def network_error(text: str) -> ValueError | None:
    """Return the error of an invalid network, None for a valid one."""
    try:
        parse_network(text)
    except ValueError as error:
        return error
    return None


def _rate_error(rate: str) -> ValueError | None:
    try:
        parse_rate(rate)
    except ValueError as error:
        return error
    return None

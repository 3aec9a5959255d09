"""Start-up checks of the session settings."""

import re
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from sessions_app.limits import window_seconds


@register()
def check_lifetimes(**_: Any) -> list[CheckMessage]:
    """A shorter limit must not be longer than the limit it stands inside."""
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


@register()
def check_rates(**_: Any) -> list[CheckMessage]:
    """Each rate must be readable, so that no request meets a bad one."""
    return [
        Error(f"{error}.", hint=f"Correct RATE_LIMIT_{name.upper()}.", id="sessions_app.E002")
        for name, rates in settings.RATE_LIMITS.items()
        for rate in rates
        if (error := _rate_error(rate))
    ]


@register()
def check_purposes(**_: Any) -> list[CheckMessage]:
    """A purpose must be short enough to be kept, and a name that a front end can spell."""
    return [
        Error(
            f"CONSENT_PURPOSES holds {purpose!r}, which is no name of a purpose.",
            hint="Use 1 to 40 lower-case letters, digits, _ and -, like contact.",
            id="sessions_app.E004",
        )
        for purpose in settings.CONSENT_PURPOSES
        if not re.fullmatch("[a-z0-9_-]{1,40}", purpose)
    ]


def _rate_error(rate: str) -> ValueError | None:
    try:
        window_seconds(rate)
    except ValueError as error:
        return error
    return None

"""Rate limits for each client and each session.

django-ratelimit counts under our own key, because its own cannot read a proxy's
header or cut IPv6 to /64. This module answers 429 with `Retry-After` and sets
the `RateLimit` headers (draft-ietf-httpapi-ratelimit-headers). Windows are
fixed, so up to twice the limit can pass around a window's edge.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django_ratelimit.core import get_usage

from common import context
from sessions_app.exceptions import RateLimited
from sessions_app.models import UserSession


class Rate(NamedTuple):
    """At most `limit` requests in a window of `window` seconds."""

    limit: int
    window: int


@dataclass(frozen=True)
class Usage:
    """The use of one limit: `count` of `limit` in a window that ends in `seconds_left`."""

    policy: str
    count: int
    limit: int
    window: int
    seconds_left: int


def enforce(
    request: HttpRequest, name: str, session: UserSession | None = None, *, identifier: str = ""
) -> None:
    """Count one request against each rate of the limit `name`; raises RateLimited over it.

    Requests are counted under `identifier`, otherwise under the proven
    `session`, otherwise under the client's address. Clients in
    RATE_LIMIT_TRUSTED_NETWORKS have a higher limit.
    """
    key = identifier or (str(session.uuid) if session else context.current().client)
    factor = 1 if session or identifier else _client_factor()
    for rate in settings.RATE_LIMITS[name]:
        usage = _usage(request, name, key, parse_rate(rate), factor)
        _remember(request, usage)
        if usage.count > usage.limit:
            raise RateLimited(usage.policy, usage.seconds_left, session.uuid if session else None)


def exceeded(request: HttpRequest) -> str | None:
    """Return the policy that refused this request, or None."""
    usages: list[Usage] = getattr(request, "rate_usages", [])
    return next((usage.policy for usage in usages if usage.count > usage.limit), None)


def add_headers(request: HttpRequest, response: HttpResponseBase) -> None:
    """Set the RateLimit headers from the limits that this request was counted against."""
    usages: list[Usage] = getattr(request, "rate_usages", [])
    if usages:
        response["RateLimit-Policy"] = ", ".join(
            f'"{usage.policy}";q={usage.limit};w={usage.window}' for usage in usages
        )
        response["RateLimit"] = ", ".join(
            f'"{usage.policy}";r={max(0, usage.limit - usage.count)};t={usage.seconds_left}'
            for usage in usages
        )


def _client_factor() -> int:
    trusted = context.is_within(context.current().address, settings.RATE_LIMIT_TRUSTED_NETWORKS)
    return settings.RATE_LIMIT_TRUSTED_FACTOR if trusted else 1


def _usage(request: HttpRequest, name: str, key: str, rate: Rate, factor: int) -> Usage:
    counted = get_usage(
        request,
        group=f"maria.{name}",
        key=lambda *_: key,
        rate=(rate.limit * factor, rate.window),
        increment=True,
    )
    return Usage(
        policy=f"{name}-{rate.window}s",
        count=counted["count"],
        limit=counted["limit"],
        window=rate.window,
        # The counter reports 0 in a window's last second, which still belongs to the window.
        seconds_left=max(1, counted["time_left"] + 1),
    )


def _remember(request: HttpRequest, usage: Usage) -> None:
    request.__dict__.setdefault("rate_usages", []).append(usage)


@cache
def parse_rate(text: str) -> Rate:
    """Parse a rate like `30/m` or `30/10m`; raises ValueError."""
    read = _RATE.fullmatch(text)
    if read is None:
        raise ValueError(
            f"{text!r} is not a rate: write a number, a slash and s, m, h or d, like 30/m or 30/10m"
        )
    count, periods, period = read.groups()
    return Rate(int(count), int(periods or 1) * _PERIODS[period])


_PERIODS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
_RATE = re.compile("([0-9]+)/([1-9][0-9]?)?([smhd])")

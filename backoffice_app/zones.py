"""The time zone in which a staff member reads times: the browser's own.

A script on every page of the admin, the log-in page included, writes its name
into a cookie. It decides how times are shown and nothing else, so it needs no
proof; what is no zone of the IANA database is as if it were not there.
"""

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

from django.http import HttpRequest

COOKIE = "staff_zone"


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the zone that a staff member's browser has named; None if it has named none that exists."""
    name = request.COOKIES.get(COOKIE, "")
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    """Name the zones there are. They are asked for by name only: a cookie never becomes a path."""
    return frozenset(zoneinfo.available_timezones())

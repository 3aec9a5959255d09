"""The time zone of the staff member's browser, in which the admin shows times.

A script on every admin page, also the sign-in page, writes its name into a
cookie. It affects only the display, so it needs no proof. A name that is not in
the IANA database is ignored.
"""

import zoneinfo
from functools import cache
from zoneinfo import ZoneInfo

from django.http import HttpRequest

COOKIE = "staff_zone"


def zone_of(request: HttpRequest) -> ZoneInfo | None:
    """Return the zone in the cookie; None if it is missing or unknown."""
    name = request.COOKIES.get(COOKIE, "")
    return ZoneInfo(name) if name in _names() else None


@cache
def _names() -> frozenset[str]:
    """Return all zone names. Comparing with them keeps a cookie from becoming a path."""
    return frozenset(zoneinfo.available_timezones())

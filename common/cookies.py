"""Which cookies of a request reach Django.

A browser protects a cookie with the prefix `__Host-` by the name as it was set. Django strips
Unicode white space from names. So a sibling domain could set U+2000 before our name without the
prefix's protection, and Django would read that cookie as ours.
"""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# RFC 6265, section 4.1.1: a name is a token (RFC 9110, section 5.6.2).
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BLANK = " \t"


def require_exact_cookies(application: "WSGIApplication") -> "WSGIApplication":
    """Wrap an application so that it reads only the cookies that `exact_cookies` keeps."""

    def wrapped(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if header := environ.get("HTTP_COOKIE"):
            environ["HTTP_COOKIE"] = exact_cookies(header)
        return application(environ, start_response)

    return wrapped


def exact_cookies(header: str) -> str:
    """Return a Cookie header without the pairs whose name is not a token.

    A name with several different values counts as absent, because the right one is unknown.
    The visitor's cookie is an exception: the API answers 401 `credentials_differ` for it.
    """
    pairs = [(name, value) for name, value in _pairs(header) if _NAME.fullmatch(name)]
    values: dict[str, set[str]] = {}
    for name, value in pairs:
        values.setdefault(name, set()).add(value)
    return "; ".join(
        f"{name}={value}"
        for name, value in pairs
        if len(values[name]) == 1 or name == settings.VISITOR_COOKIE_NAME
    )


def cookie_values(header: str, name: str) -> set[str]:
    """Return the different values that a Cookie header has for a name."""
    return {value for key, value in _pairs(header) if key == name}


def _pairs(header: str) -> Iterable[tuple[str, str]]:
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            yield name.strip(_BLANK), value.strip(_BLANK)

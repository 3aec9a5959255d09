"""The session token, the cookie that carries it, and the defence against foreign pages."""

import hashlib
import re
import secrets
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from sessions_app.exceptions import OriginNotAllowed

TOKEN_PREFIX = "mss1_"  # noqa: S105  (the prefix is public)
_TOKEN = re.compile(TOKEN_PREFIX + "[A-Za-z0-9_-]{43}")
# The cookie outlives the session a little, so that "expired" can still be explained.
_COOKIE_MARGIN = timedelta(days=7)


def generate_token() -> str:
    """Return a new token: 256 random bits as 43 base64url characters behind `mss1_`."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what the database keeps of a token. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_token(request: HttpRequest) -> str | None:
    """Return the token the browser's cookie carries, or None if there is none of a token's shape."""
    token = request.COOKIES.get(settings.VISITOR_COOKIE_NAME, "")
    return token if _TOKEN.fullmatch(token) else None


def has_proof(request: HttpRequest) -> bool:
    """Say whether the request carries a cookie of ours at all, well formed or not."""
    return settings.VISITOR_COOKIE_NAME in request.COOKIES


def set_cookie(response: HttpResponseBase, token: str) -> None:
    """Give the browser its token: out of reach for scripts and for other sites."""
    response.set_cookie(
        settings.VISITOR_COOKIE_NAME,
        token,
        max_age=settings.SESSION_ABSOLUTE_LIMIT + _COOKIE_MARGIN,
        path="/",
        secure=settings.PRODUCTION,
        httponly=True,
        samesite="Strict",
    )


def delete_cookie(response: HttpResponseBase) -> None:
    """Take the token out of the browser."""
    response.delete_cookie(settings.VISITOR_COOKIE_NAME, path="/", samesite="Strict")


def check_origin(request: HttpRequest) -> None:
    """Raise OriginNotAllowed for a change that a foreign page asks for.

    A browser names the page's origin on every cross-origin and every unsafe
    request; clients that are no browsers send neither header.
    """
    origin = request.headers.get("Origin")
    if origin is not None:
        if origin not in {_own_origin(request), *settings.ALLOWED_ORIGINS}:
            raise OriginNotAllowed
    elif request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise OriginNotAllowed


def _own_origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"

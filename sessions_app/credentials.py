"""The session token, how a request carries it, and the defence against foreign pages."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from rest_framework.response import Response

from sessions_app.exceptions import CredentialsDiffer, OriginNotAllowed

TOKEN_PREFIX = "mss1_"  # noqa: S105  (the prefix is public)
# How far staff may move a session's end beyond its ordinary one.
LONGEST_EXTENSION = timedelta(days=30)
_TOKEN = re.compile(TOKEN_PREFIX + "[A-Za-z0-9_-]{43}")
# The cookie outlives the session a little, so that "expired" can still be explained, and by what
# staff may add: nobody could tell the browser of that later without risking a newer token.
_COOKIE_MARGIN = timedelta(days=7) + LONGEST_EXTENSION

Carrier = Literal["cookie", "bearer"]


@dataclass(frozen=True)
class Credential:
    """What a request offers as proof, and how it came: the token's hash, None if it is no token."""

    carrier: Carrier
    token_hash: str | None


def generate_token(prefix: str = TOKEN_PREFIX) -> str:
    """Return a new token: 256 random bits as 43 base64url characters behind `mss1_`."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what the database keeps of a token. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_bearer(request: HttpRequest) -> str | None:
    """Return what follows `Authorization: Bearer`, None under any other scheme (RFC 6750)."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def read_credential(request: HttpRequest) -> Credential | None:
    """Return the proof that a request carries, None if it carries none.

    A client carries its token in one way. Raises CredentialsDiffer if two ways
    carry different ones: nobody could say which is meant.
    """
    cookie = request.COOKIES.get(settings.VISITOR_COOKIE_NAME)
    bearer = read_bearer(request)
    if cookie is not None and bearer is not None and cookie != bearer:
        raise CredentialsDiffer
    token = cookie if bearer is None else bearer
    if token is None:
        return None
    known = hash_token(token) if _TOKEN.fullmatch(token) else None
    return Credential("cookie" if bearer is None else "bearer", known)


def hand_over(response: Response, carrier: Carrier, token: str, session: Any) -> None:
    """Give the client its token the way it carries it: in the cookie, or in the body alone."""
    if carrier == "bearer":
        response.data["token"] = token
    else:
        set_cookie(response, token, session)


def set_cookie(response: HttpResponseBase, token: str, session: Any) -> None:
    """Give the browser its token: out of reach for scripts and for other sites."""
    limit = (
        settings.SESSION_COMPLETED_LIMIT
        if session.completed_at
        else settings.SESSION_ABSOLUTE_LIMIT
    )
    response.set_cookie(
        settings.VISITOR_COOKIE_NAME,
        token,
        max_age=limit + _COOKIE_MARGIN,
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

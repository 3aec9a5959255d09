"""The session token, how a request carries it, and the origin check against foreign pages."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from common.answers import Answer
from common.cookies import cookie_values
from sessions_app.exceptions import CredentialsDiffer, OriginNotAllowed

TOKEN_PREFIX = "mss1_"  # noqa: S105  (the prefix is public)
# How far staff may extend a session beyond its regular end.
LONGEST_EXTENSION = timedelta(days=30)
_TOKEN = re.compile(TOKEN_PREFIX + "[A-Za-z0-9_-]{43}")
# The cookie outlives the session, so that the page can still explain "expired". It also covers an
# extension by staff: setting the cookie again later could overwrite a newer token.
_COOKIE_MARGIN = timedelta(days=7) + LONGEST_EXTENSION

Carrier = Literal["cookie", "bearer"]


@dataclass(frozen=True)
class Credential:
    """The token that a request carries: its hash, or None if it is malformed."""

    carrier: Carrier
    token_hash: str | None


def generate_token(prefix: str = TOKEN_PREFIX) -> str:
    """Return a new token: the prefix and 256 random bits as 43 base64url characters."""
    return prefix + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token. 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()


def read_bearer(request: HttpRequest) -> str | None:
    """Return the token of `Authorization: Bearer`, None for any other scheme (RFC 6750)."""
    scheme, _, value = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def read_credential(request: HttpRequest) -> Credential | None:
    """Return the token that a request carries, or None.

    Raises CredentialsDiffer if it carries two different ones.
    """
    # Django would read the last of them.
    if len(cookie_values(request.META.get("HTTP_COOKIE", ""), settings.VISITOR_COOKIE_NAME)) > 1:
        raise CredentialsDiffer
    cookie = request.COOKIES.get(settings.VISITOR_COOKIE_NAME)
    bearer = read_bearer(request)
    if cookie is not None and bearer is not None and cookie != bearer:
        raise CredentialsDiffer
    token = cookie if bearer is None else bearer
    if token is None:
        return None
    known = hash_token(token) if _TOKEN.fullmatch(token) else None
    return Credential("cookie" if bearer is None else "bearer", known)


def hand_over(
    data: dict[str, Any], carrier: Carrier, token: str, session: Any, status: int = 200
) -> Answer:
    """Return the answer with a new token: in the cookie, or for a bearer client in the body."""
    if carrier == "bearer":
        return Answer({**data, "token": token}, status)
    answer = Answer(data, status)
    set_cookie(answer, token, session)
    return answer


def set_cookie(response: HttpResponseBase, token: str, session: Any) -> None:
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
    response.delete_cookie(settings.VISITOR_COOKIE_NAME, path="/", samesite="Strict")


def check_origin(request: HttpRequest) -> None:
    """Raise OriginNotAllowed for a change that a foreign page requests.

    A browser sends Origin or Sec-Fetch-Site with every unsafe request; clients
    that are not browsers send neither.
    """
    origin = request.META.get("HTTP_ORIGIN")
    if origin is not None:
        if origin not in {_own_origin(request), *settings.ALLOWED_ORIGINS}:
            raise OriginNotAllowed
    elif request.META.get("HTTP_SEC_FETCH_SITE", "none") not in ("none", "same-origin"):
        raise OriginNotAllowed


def _own_origin(request: HttpRequest) -> str:
    return f"{request.scheme}://{request.get_host()}"

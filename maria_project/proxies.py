"""Tests from outside whether a client can forge its address, for `manage.py check_proxy`.

Each answer of the validate endpoint has a `RateLimit` header with the requests
that the client may still send. The probe sends a plain request, one with a
forged header and another plain one. If the number shrinks by one each time, all
three were counted as the same client. Otherwise the forged request was counted
as another client: the header was trusted.
"""

import re
import secrets
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from urllib3 import BaseHTTPResponse, HTTPHeaderDict, Timeout, connection_from_url
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import Url, parse_url

PATH = "/api/v1/sessions/validate/"
TRIES = 4
# Several web processes with separate counters rarely agree so many times.
PLAIN_REQUESTS = 5
FORGED_TWICE = 2
_LEFT = re.compile(r'"validate-\d+s";r=(\d+);t=\d+')


class ProbeFailed(Exception):
    """The probe has no result. The message states the reason."""


@dataclass(frozen=True)
class Forgery:
    """A header that a client can forge. `values` returns new, random values each time."""

    header: str
    manner: str
    values: Callable[[], Sequence[str]]

    def __str__(self) -> str:
        return f"{self.header} ({self.manner})"

    def headers(self) -> HTTPHeaderDict:
        """Return the header once for each value."""
        forged = HTTPHeaderDict()
        for value in self.values():
            forged.add(self.header, value)
        return forged


def _ipv4() -> str:
    """Return an address of the benchmark network (RFC 2544)."""
    return f"198.18.{secrets.randbelow(256)}.{1 + secrets.randbelow(254)}"


def _ipv6() -> str:
    """Return an address of the documentation network (RFC 3849), each in another /64."""
    return f"2001:db8:{secrets.randbelow(65536):x}:{secrets.randbelow(65536):x}::1"


_FORWARDED = "X-Forwarded-For"
FORGERIES = (
    Forgery(_FORWARDED, "one address", lambda: [_ipv4()]),
    Forgery(_FORWARDED, "three addresses", lambda: [", ".join((_ipv4(), _ipv4(), _ipv4()))]),
    Forgery(_FORWARDED, "address and port", lambda: [f"{_ipv4()}:4711"]),
    Forgery(_FORWARDED, "IPv6", lambda: [_ipv6()]),
    Forgery(_FORWARDED, "IPv6 in brackets", lambda: [f"[{_ipv6()}]:4711"]),
    Forgery(_FORWARDED, "IPv4-mapped IPv6", lambda: [f"::ffff:{_ipv4()}"]),
    Forgery(_FORWARDED, "no address", lambda: [secrets.token_hex(8)]),
    Forgery(_FORWARDED, "sent twice", lambda: [_ipv4(), _ipv4()]),
    Forgery("X_Forwarded_For", "with underscores", lambda: [_ipv4()]),
    Forgery("Forwarded", "IPv4", lambda: [f"for={_ipv4()}"]),
    Forgery("Forwarded", "IPv6", lambda: [f'for="[{_ipv6()}]:4711"']),
    *(
        Forgery(name, "one address", lambda: [_ipv4()])
        for name in ("X-Real-IP", "True-Client-IP", "CF-Connecting-IP", "X-Client-IP")
    ),
)


class ProxyProbe:
    """Requests to the validate endpoint over one kept connection, so all from one address.

    `url` is the public address without `/api/…`; `timeout` is in seconds. Raises ProbeFailed.
    """

    def __init__(self, url: str, timeout: float) -> None:
        self._url = _parsed(url)
        self._pool = connection_from_url(self._url.url, timeout=Timeout(timeout), retries=False)

    @property
    def origin(self) -> str:
        """The address as a browser sends it in Origin."""
        default = {"http": 80, "https": 443}[str(self._url.scheme)]
        port = "" if self._url.port in (None, default) else f":{self._url.port}"
        return f"{self._url.scheme}://{self._url.host}{port}"

    def refuses_own_origin(self) -> bool:
        """Return whether pages of the public address itself would be refused."""
        response = self._send(HTTPHeaderDict({"Origin": self.origin}))
        return response.status == HTTPStatus.FORBIDDEN and b"origin_not_allowed" in response.data

    def plain(self) -> int:
        """Send a plain request; return how many were left before it, 0 if refused."""
        response = self._send(HTTPHeaderDict())
        left = _left(response)
        if left is None:
            raise ProbeFailed(_unexpected(response))
        return left

    def forged(self, forgery: Forgery) -> int | None:
        """Send a forged request; return how many were left, None if answered with another 4xx."""
        response = self._send(forgery.headers())
        left = _left(response)
        is_clients_fault = HTTPStatus(400) <= response.status < HTTPStatus(500)
        if left is None and not is_clients_fault:
            raise ProbeFailed(f"With a forged {forgery}: {_unexpected(response)}")
        return left

    def _send(self, headers: HTTPHeaderDict) -> BaseHTTPResponse:
        prefix = (self._url.path or "").rstrip("/")
        try:
            return self._pool.request(
                "POST",
                prefix + PATH,
                json={"uuid": str(uuid.uuid4())},
                headers=headers,
                redirect=False,
            )
        except HTTPError as error:
            raise ProbeFailed(f"{self.origin} does not answer: {error}") from error


def probe_forgeries(probe: ProxyProbe) -> Iterator[tuple[Forgery, bool]]:
    """Try each forgery; yield it, and whether its header was trusted. Raises ProbeFailed."""
    _check_counting(probe)
    for forgery in FORGERIES:
        is_trusted = all(_is_trusted(probe, forgery) for _ in range(FORGED_TWICE))
        if is_trusted:
            _check_counting(probe)
        yield forgery, is_trusted


def _is_trusted(probe: ProxyProbe, forgery: Forgery) -> bool:
    for _ in range(TRIES):
        before, forged, after = probe.plain(), probe.forged(forgery), probe.plain()
        if not _shrinks(before, after):
            continue  # a new window of the limit began
        if forged is None:
            return False
        return forged > before or 0 < after == before - 1
    raise ProbeFailed(
        "The window of the limit is too short. Set RATE_LIMIT_VALIDATE to a rate per minute."
    )


def _check_counting(probe: ProxyProbe) -> None:
    """Raise ProbeFailed unless plain requests share one counter."""
    for _ in range(TRIES):
        lefts = [probe.plain() for _ in range(PLAIN_REQUESTS)]
        if all(map(_shrinks, lefts, lefts[1:])):
            return
    raise ProbeFailed(
        "Plain requests do not share one counter. Either several web processes count separately, "
        "or the address of this machine changes between requests."
    )


def _shrinks(before: int, after: int) -> bool:
    return after < before or before == after == 0


def _left(response: BaseHTTPResponse) -> int | None:
    found = _LEFT.search(response.headers.get("RateLimit", ""))
    if found is None or response.status not in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS):
        return None
    return int(found[1]) + (response.status == HTTPStatus.OK)


def _unexpected(response: BaseHTTPResponse) -> str:
    if location := response.get_redirect_location():
        return f"The address redirects to {location}. Check that address instead."
    if response.status in (HTTPStatus.OK, HTTPStatus.TOO_MANY_REQUESTS):
        return "The answer has no RateLimit header of the validate endpoint. Is this the product?"
    return f"The validate endpoint answered {response.status}, not 200."


def _parsed(url: str) -> Url:
    try:
        parsed = parse_url(url)
    except LocationParseError as error:
        raise ProbeFailed(f"{url!r} is not an address.") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ProbeFailed(
            f"{url!r} is not an address. Write https://, the host and, if needed, the port."
        )
    return parsed

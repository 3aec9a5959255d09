"""The request context: id, client address, user agent and actor, for audit events and log lines."""

import getpass
import ipaddress
import logging
import os
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from common.text import storable

VISITOR = "visitor"
STAFF = "staff:"
SYSTEM = "system"

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

# In the WSGI environment: the code of an error that was found before Django had the request.
REFUSED = "maria.refused"

logger = logging.getLogger(__name__)
# Only proxies add these headers.
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# https://www.w3.org/TR/trace-context/#traceparent-header. Versions after 00 may add more at the end.
_TRACEPARENT = re.compile(
    r"(?!ff|00.{54})[0-9a-f]{2}-(?!0{32})(?P<trace>[0-9a-f]{32})"
    r"-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?"
)


@dataclass(frozen=True)
class RequestContext:
    """Who sends the request, and from where. `address` is None outside a request."""

    request_id: str = ""
    address: IPAddress | None = None
    user_agent: str = ""
    actor: str = SYSTEM
    # Of the trace that the request belongs to (W3C Trace Context), if there is one.
    trace_id: str = ""

    @property
    def network(self) -> str:
        """The client's network, too coarse to identify a person: IPv4 /24, IPv6 /48."""
        return _network(self.address, 24, 48) if self.address else ""

    @property
    def client(self) -> str:
        """The identifier under which limits count a client: its IPv4 address or IPv6 /64."""
        return _network(self.address, 32, 64) if self.address else "unknown"


_ANONYMOUS = RequestContext()
_current: ContextVar[RequestContext] = ContextVar("audit_context", default=_ANONYMOUS)


def current() -> RequestContext:
    return _current.get()


@contextmanager
def using(context: RequestContext) -> Iterator[RequestContext]:
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


@contextmanager
def as_actor(actor: str) -> Iterator[RequestContext]:
    """Set the actor inside the block.

    One of `visitor`, `staff:<id>`, `operator:<login>`, `service:<name>`, `system`.
    """
    with using(replace(current(), actor=actor)) as context:
        yield context


def become(actor: str) -> None:
    """Set the actor for the rest of this request. Call it after checking a proof."""
    _current.set(replace(current(), actor=actor))


def without_trace() -> AbstractContextManager[RequestContext]:
    """Hide the client inside the block, for events that outlive an erasure."""
    return using(replace(current(), address=None, user_agent=""))


def as_operator() -> AbstractContextManager[RequestContext]:
    try:
        login = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        login = str(os.getuid())
    return as_actor(storable(f"operator:{login}", 150))


def from_request(request: HttpRequest) -> RequestContext:
    """Return the context of a request. The actor is a visitor until a proof was checked."""
    return RequestContext(
        request_id=_request_id(request),
        address=client_address(request.META),
        user_agent=storable(request.META.get("HTTP_USER_AGENT", ""), 512),
        actor=VISITOR,
        trace_id=_trace_id(request.META.get("HTTP_TRACEPARENT", "")),
    )


def client_address(environ: Mapping[str, Any]) -> IPAddress | None:
    """Return the address of the client, counting TRUSTED_PROXIES hops back from the right.

    `environ` is that of WSGI. Only entries that our own proxies appended are trusted: without
    proxies, the peer itself is the client. An invalid entry counts as the nearest proxy.
    """
    forwarded = environ.get("HTTP_X_FORWARDED_FOR", "")
    proxies = settings.TRUSTED_PROXIES
    if forwarded and not proxies:
        _warn_about_unknown_proxy()
    hops = [hop for hop in forwarded.split(",") if hop.strip()] if proxies else []
    address = parse_address(hops[-min(proxies, len(hops))]) if hops else None
    return address or parse_address(environ.get("REMOTE_ADDR", ""))


def is_forwarded(request: HttpRequest) -> bool:
    """Return whether a proxy passed the request on, so that the peer is not the client."""
    return any(name in request.META for name in _FORWARDED)


def parse_address(text: str) -> IPAddress | None:
    """Parse `1.2.3.4`, `1.2.3.4:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for anything else.

    An IPv4-mapped IPv6 address becomes the IPv4 address. A zone
    (`fe80::1%eth0`) is a local interface and is removed.
    """
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return _parse_address(text.partition("%")[0])
    except ValueError:
        return None


@lru_cache(1024)
def _parse_address(text: str) -> IPAddress:
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


@cache
def parse_network(text: str) -> IPNetwork:
    """Parse `10.0.0.0/8` or `2001:db8::/32`; ValueError otherwise, also for host bits."""
    return ipaddress.ip_network(text)


def is_within(address: IPAddress | None, networks: Iterable[str]) -> bool:
    """Return whether an address is in one of the networks; ValueError for an invalid network."""
    return address is not None and any(address in parse_network(text) for text in networks)


@lru_cache
def _network(address: IPAddress, ipv4_bits: int, ipv6_bits: int) -> str:
    bits = ipv4_bits if address.version == 4 else ipv6_bits
    return str(ipaddress.ip_network((address.packed, bits), strict=False))


def _request_id(request: HttpRequest) -> str:
    # An id from a visitor would let strangers write into another request's trace.
    claimed = request.META.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXIES else ""
    return claimed if REQUEST_ID.fullmatch(claimed) else _new_request_id()


def _new_request_id() -> str:
    """Return 128 random bits in hexadecimal. Nothing depends on their being a secret."""
    return f"{random.getrandbits(128):032x}"


def _trace_id(claimed: str) -> str:
    """Return the trace id of a header `traceparent`; empty if the header is invalid."""
    # As a request id: one from a visitor would let strangers write into another's trace.
    match = _TRACEPARENT.fullmatch(claimed) if claimed and settings.TRUSTED_PROXIES else None
    return match["trace"] if match else ""


_warned: list[bool] = []


def _warn_about_unknown_proxy() -> None:
    if not _warned:
        _warned.append(True)
        logger.warning(
            "Requests have X-Forwarded-For but TRUSTED_PROXIES is 0: all visitors behind that proxy share "
            "one rate limit. Set TRUSTED_PROXIES to the number of your own proxies."
        )

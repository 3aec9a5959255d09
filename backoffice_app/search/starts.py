"""Rows whose id starts with the typed digits. Each is one range of an index, on both databases.

The ends of a range have the form of the ids themselves, so that every collation
orders them alike.
"""

import re
import uuid
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from django.db.models import QuerySet

from audit_app.models import AuditLog, AuditPersonal
from common import context
from sessions_app.models import UserSession
from sessions_app.uuid_helpers import read_crockford
from uploads_app.models import UploadedFile

# Pages show this many digits of a long id.
SHORTEST = 8
_SHA256_DIGITS = 64
# The networks that pages show: see common/masking.py.
_MASKED = {4: 24, 6: 48}
Network = IPv4Network | IPv6Network


def digits_of(term: str, shortest: int = SHORTEST) -> str:
    """Return the hexadecimal digits that a term begins an id with; empty for any other term."""
    digits = term.lower().rstrip("…").replace("-", "")
    return digits if re.fullmatch(f"[0-9a-f]{{{shortest},{_SHA256_DIGITS}}}", digits) else ""


def by_uuid(rows: QuerySet[Any], field: str, digits: str) -> QuerySet[Any]:
    """Return the rows whose UUID starts with these digits, ordered by it."""
    if not digits or len(digits) > 32:
        return rows.none()
    first, last = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
    return rows.filter(**{f"{field}__gte": first, f"{field}__lte": last}).order_by(field)


def events_of_requests(digits: str, limit: int) -> list[AuditLog]:
    """Return events whose request id starts with these digits."""
    if not digits or len(digits) > 32:
        return []
    last = digits.ljust(_SHA256_DIGITS, "f")
    rows = AuditLog.objects.filter(request_id__gte=digits, request_id__lte=last)
    found = rows.order_by("request_id")[:limit]
    # Ids of a reverse proxy may have any form.
    return [event for event in found if event.request_id.startswith(digits)]


def by_hash(rows: QuerySet[UploadedFile], digits: str) -> QuerySet[UploadedFile]:
    """Return the files whose SHA-256 starts with these digits, ordered by it."""
    if not digits:
        return rows.none()
    last = digits.ljust(_SHA256_DIGITS, "f")
    # Repeats the condition of the partial index.
    return rows.filter(sha256__gt="", sha256__gte=digits, sha256__lte=last).order_by("sha256")


def by_code(term: str) -> QuerySet[UserSession]:
    """Return the sessions whose support code starts like this term, which begins with MAR."""
    symbols = read_crockford(term).removeprefix("MAR")[:9]
    ends = (_spelled(symbols.ljust(9, filler)) for filler in "0Z")
    first, last = ends
    rows = UserSession.objects.filter(support_code__gte=first, support_code__lte=last)
    return rows.order_by("support_code")


def network_of(term: str) -> Network | None:
    """Return the masked network that a term is, like `203.0.113.0/24`; None for any other term."""
    try:
        network = ip_network(term) if "/" in term else None
    except ValueError:
        return None
    is_shown = network is not None and network.prefixlen == _MASKED[network.version]
    return network if is_shown else None


def seen_in(network: Network, limit: int) -> Iterator[AuditPersonal]:
    """Return personal parts of events from a network, in the order of their addresses."""
    for start in _spellings(network):
        rows = AuditPersonal.objects.filter(
            address__gt="", address__gte=start, address__lte=start + "ffff"
        )
        for part in rows.select_related("log").order_by("address", "-log_id")[:limit]:
            address = context.parse_address(part.address)
            if address is not None and address in network:
                yield part


def _spellings(network: Network) -> list[str]:
    """Return the texts with which addresses of a network begin."""
    if network.version == 4:
        return [str(network.network_address).removesuffix("0")]
    groups = [f"{int(group, 16):x}" for group in network.exploded.split(":")[:3]]
    whole = ":".join(groups) + ":"
    return list(dict.fromkeys([whole, str(network.network_address)]))


def _spelled(symbols: str) -> str:
    return f"MAR-{symbols[:3]}-{symbols[3:6]}-{symbols[6:]}"

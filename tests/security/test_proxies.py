"""One client is one bucket behind zero, one or two real proxies, with any forged headers.

The proxies are nginx, configured as in deploy/nginx/maria.conf.
"""

import itertools
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from maria_project.proxies import FORGERIES
from tests import nginx
from tests.helpers import SOAK
from tests.security.edge import Caller, Edge, all_started, fresh_source, launched, ready

pytestmark = pytest.mark.slow

HOPS = TRUSTED = (0, 1, 2)
LIMIT = 1_000_000
FORWARDED = "X-Forwarded-For"
GARBAGE = [
    "unknown", "999.1.1.1", "[::1", "," * 500, "\u00fc\u00ff", "x" * 4000,
    "", ",", " ", "_hidden", "1.2.3.4.5", "1.2.3.4:", "[", "]:80", "::ffff:999.1.1.1",
    "fe80::1%eth0", "1.2.3.4%", "%00", "'OR 1=1--", "<script>", "1.2.3.4," * 400,
    "127.0.0.1", "::1", "0.0.0.0",
]  # fmt: skip
# The headers that check_proxy sends, and values that are not addresses.
FORGED: list[list[tuple[str, str]]] = [
    *([*forgery.headers().items()] for forgery in FORGERIES),
    *([(FORWARDED, value)] for value in (GARBAGE if SOAK else GARBAGE[:6])),
    [(FORWARDED, "1.2.3.4"), ("Forwarded", "for=1.2.3.4"), ("X-Real-IP", "1.2.3.4")],
    [(FORWARDED, f"192.0.2.{n}") for n in range(20)],
]


class ProxyChains(NamedTuple):
    """The product with TRUSTED_PROXIES 0, 1 and 2, each behind 0, 1 and 2 proxies."""

    products: list[Edge]
    ports: dict[tuple[int, int], int]


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxyChains]:
    nginx.need_nginx()
    folder = tmp_path_factory.mktemp("proxies")
    with ExitStack() as stack:
        products = all_started(
            stack,
            folder,
            *(
                {"TRUSTED_PROXIES": str(trusted), "RATE_LIMIT_VALIDATE": f"{LIMIT}/d"}
                for trusted in TRUSTED
            ),
        )
        inner = [nginx.hop(product.port) for product in products]
        outer = [nginx.hop(hop.port) for hop in inner]
        stack.enter_context(nginx.running(folder / "nginx", [*inner, *outer]))
        ports = {
            (trusted, hops): way[hops].port
            for trusted, way in enumerate(zip(products, inner, outer, strict=True))
            for hops in HOPS
        }
        yield ProxyChains(products, ports)


@pytest.mark.parametrize(
    ("trusted", "hops"), [(t, h) for t, h in itertools.product(TRUSTED, HOPS) if t <= h]
)
def test_t72_no_header_changes_the_counted_client(
    chains: ProxyChains, trusted: int, hops: int
) -> None:
    caller = Caller(chains.ports[trusted, hops])
    left = caller.left()

    for forged in FORGED:
        assert caller.left(*forged) == left - 1, forged
        left -= 1

    assert caller.left() == left - 1


@pytest.mark.parametrize(
    ("trusted", "hops"), [(t, h) for t, h in itertools.product(TRUSTED, HOPS) if t > h]
)
def test_t72_a_wrong_number_of_proxies_is_not_an_error(
    chains: ProxyChains, trusted: int, hops: int
) -> None:
    caller = Caller(chains.ports[trusted, hops])

    assert {caller.ask(*forged).status for forged in FORGED} == {200}


@pytest.mark.parametrize(
    ("trusted", "hops"),
    [*itertools.product(TRUSTED, HOPS)] if SOAK else [(0, 0), (1, 1), (2, 2), (2, 1)],
)
def test_t72_check_proxy_gives_the_right_verdict(
    chains: ProxyChains, trusted: int, hops: int
) -> None:
    url = f"http://127.0.0.1:{chains.ports[trusted, hops]}"

    if trusted <= hops:
        call_command("check_proxy", url)
        return
    with pytest.raises(CommandError) as result:
        call_command("check_proxy", url)
    assert result.value.returncode == 1
    assert "Set TRUSTED_PROXIES" in str(result.value)


@pytest.mark.parametrize("hops", HOPS)
def test_t72_two_clients_are_two_buckets_when_the_proxies_are_counted(
    chains: ProxyChains, hops: int
) -> None:
    port = chains.ports[hops, hops]
    first, second = Caller(port), Caller(port)

    assert [first.left(), first.left(), second.left()] == [LIMIT - 1, LIMIT - 2, LIMIT - 1]


def test_t72_behind_an_uncounted_proxy_all_clients_share_one_bucket_with_a_log_warning(
    chains: ProxyChains,
) -> None:
    port = chains.ports[0, 1]
    first, second = Caller(port), Caller(port)

    left = first.left()
    assert second.left() == left - 1

    warnings = [
        line
        for line in map(json.loads, chains.products[0].log.splitlines())
        if "TRUSTED_PROXIES is 0" in line["message"]
    ]
    assert len(warnings) == 1
    assert warnings[0]["level"] == "WARNING"


@pytest.mark.parametrize("hops", [1, 2])
def test_t73_a_client_may_come_over_ipv6(chains: ProxyChains, hops: int) -> None:
    caller = Caller(chains.ports[hops, hops], host="::1")
    left = caller.left()

    for forged in FORGED:
        left -= 1
        assert caller.left(*forged) == left, forged


def test_t73_a_64_is_one_bucket_and_mapped_addresses_are_eight(chains: ProxyChains) -> None:
    proxy = Caller(chains.ports[1, 0])  # the test is the proxy and sends the client's address
    network = "2001:db8:77:77"
    lefts = [
        proxy.left((FORWARDED, f"{network}:{n >> 8:x}:{n & 255:x}::1"))
        for n in range(10_000 if SOAK else 200)
    ]
    assert lefts == list(range(LIMIT - 1, LIMIT - 1 - len(lefts), -1))

    mapped = [proxy.left((FORWARDED, f"::ffff:203.0.113.{n}")) for n in range(8)]
    assert mapped == [LIMIT - 1] * 8
    assert proxy.left((FORWARDED, "203.0.113.0")) == LIMIT - 2  # mapped or not, it is the same


def test_t73_a_dual_stack_socket_counts_ipv4_clients_separately(tmp_path: Path) -> None:
    """Such a socket reports IPv4 clients as `::ffff:127.0.0.1`."""
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as both,
        launched(
            tmp_path / "data",
            ["-m", "maria_project.web", "--sockets", str(both.fileno())],
            [both.fileno()],
            RATE_LIMIT_VALIDATE=f"{LIMIT}/d",
        ),
    ):
        port = both.getsockname()[1]
        ready(port)
        sources = [fresh_source() for _ in range(8)]
        lefts = [Caller(port, source).left() for source in sources]
        again = [Caller(port, source).left((FORWARDED, "192.0.2.1")) for source in sources]
        over_ipv6 = [Caller(port, host="::1").left((FORWARDED, f"192.0.2.{n}")) for n in range(3)]

    assert (lefts, again) == ([LIMIT - 1] * 8, [LIMIT - 2] * 8)
    assert over_ipv6 == [LIMIT - 1, LIMIT - 2, LIMIT - 3]

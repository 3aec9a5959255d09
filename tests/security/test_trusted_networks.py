"""Trusted networks have higher client limits. Session limits and other clients are unchanged."""

from typing import Any

import pytest

from tests.helpers import Visitor, code, events
from tests.security.limited import BY_CLIENT, BY_SESSION, Call, clock, limit

# Independent of the database.

__all__ = ["clock", "limit"]  # fixtures


@pytest.fixture(autouse=True)
def trusted(settings: Any) -> None:
    settings.RATE_LIMIT_TRUSTED_NETWORKS = ["192.0.2.0/28", "2001:db8:77::/48"]
    settings.RATE_LIMIT_TRUSTED_FACTOR = 3


@pytest.mark.parametrize("call", BY_CLIENT, ids=str)
@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.0.2.0", 6), ("192.0.2.15", 6), ("::ffff:192.0.2.7", 6), ("2001:db8:77:ffff::1", 6),
        ("192.0.2.16", 2), ("192.0.1.255", 2), ("2001:db8:78::1", 2), ("198.51.100.1", 2), ("", 2),
    ],
)  # fmt: skip
def test_a_limit_is_multiplied_only_for_trusted_networks(
    visitor: Visitor, limit: Any, call: Call, address: str, allowed: int
) -> None:
    limit(call.limit, "2/m")

    answers = [call.ask(visitor, address) for _ in range(allowed + 1)]

    assert [a.status_code for a in answers] == [call.good] * allowed + [429]
    assert code(answers[-1]) == "rate_limited"
    assert f'"{call.limit}-60s";q={allowed};w=60' in answers[-1]["RateLimit-Policy"]
    assert f'"{call.limit}-60s";r={allowed - 1};' in answers[0]["RateLimit"]
    assert events().count("ratelimit.exceeded") == 1


@pytest.mark.parametrize("call", BY_SESSION, ids=str)
def test_a_session_is_limited_the_same_everywhere(visitor: Visitor, limit: Any, call: Call) -> None:
    limit(call.limit, "2/m")

    statuses = [call.ask(visitor, "192.0.2.7").status_code for _ in range(3)]

    assert statuses == [call.good, call.good, 429]


@pytest.mark.parametrize(("proxies", "allowed"), [(1, 6), (0, 2)])
def test_a_forwarded_address_is_trusted_only_behind_a_trusted_proxy(
    db: None, settings: Any, limit: Any, proxies: int, allowed: int
) -> None:
    settings.TRUSTED_PROXIES = proxies
    limit("create", "2/m")
    forwarded = {"X-Forwarded-For": "192.0.2.7"}

    statuses = [
        Visitor(REMOTE_ADDR="198.51.100.9", headers=forwarded).start().status_code for _ in range(7)
    ]

    assert statuses.count(201) == allowed


def test_every_rate_of_a_limit_is_multiplied(db: None, limit: Any) -> None:
    limit("create", "2/m", "5/h")

    policy = Visitor(REMOTE_ADDR="192.0.2.7").start()["RateLimit-Policy"]

    assert policy == '"create-60s";q=6;w=60, "create-3600s";q=15;w=3600'

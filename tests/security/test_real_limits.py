"""Limits on real servers: exact under threads, over after Retry-After, also in the shared cache."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from urllib3 import HTTPConnectionPool

from tests.security.edge import Caller, Edge, all_started, fresh_source, shared_cache

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    env = {
        "TRUSTED_PROXIES": "1",  # the test is the proxy and sends the client's address
        "RATE_LIMIT_CREATE": "50/d",
        "RATE_LIMIT_VALIDATE": "2/s",
        **shared_cache(),
    }
    with ExitStack() as stack:
        (edge,) = all_started(stack, tmp_path_factory.mktemp("limits"), env)
        yield edge


def test_t75_four_threads_at_a_limit_of_fifty_get_exactly_fifty(product: Edge) -> None:
    seen = {"X-Forwarded-For": fresh_source(), "Host": "localhost"}
    before = product.deployment.rows("SELECT count(*) FROM sessions_app_usersession")[0][0]

    def client(_: int) -> list[int]:
        pool = HTTPConnectionPool("127.0.0.1", product.port, retries=False, timeout=60)
        return [
            pool.request("POST", "/api/v1/sessions/", json={}, headers=seen).status
            for _ in range(100)
        ]

    with ThreadPoolExecutor(4) as threads:
        statuses = Counter(status for part in threads.map(client, range(4)) for status in part)

    assert statuses == {201: 50, 429: 350}
    (after,) = product.deployment.rows("SELECT count(*) FROM sessions_app_usersession")[0]
    assert after == int(str(before)) + 50


def test_t75_after_retry_after_seconds_the_next_call_succeeds(product: Edge) -> None:
    """The wait is the behaviour under test."""
    caller = Caller(product.port)
    refused = caller.ask()
    while refused.status != 429:
        refused = caller.ask()

    time.sleep(int(refused.headers["Retry-After"]))

    assert caller.ask().status == 200

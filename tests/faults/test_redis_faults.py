"""A Redis that is killed, hangs or sends invalid replies: requests are answered and limits apply.

The first tests kill or stop a real Redis under a web server with load. The others
send everything else that can come back on its port, request by request.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from common.breaker import CircuitBreaker
from maria_project import cache
from tests import redis_server
from tests.faults.load import LoadAnswer, Web, serving, together
from tests.helpers import SOAK, Visitor, events
from tests.ports import free_port
from tests.uploads_app.server import deployment

LIMIT = 10
ROUNDS = 400 if SOAK else 24
THREADS = 4
PROMISE = 0.3
# For a busy machine; the time of the slowest request without a fault is added.
# A request that waited for Redis at each step, and not once, would take 1.4 s.
BUSY = 0.6


@pytest.fixture
def redis() -> Iterator[redis_server.RedisServer]:
    """A Redis for this test; skips without one, fails in continuous integration."""
    redis_server.need_redis()
    with redis_server.serving() as server:
        yield server


@pytest.fixture
def web(tmp_path: Path, redis: redis_server.RedisServer) -> Iterator[Web]:
    """A web server with that Redis, and low limits for creating sessions and uploading."""
    env = {
        **deployment(tmp_path / "data").environment,
        "CACHE_URL": redis.url,
        "RATE_LIMIT_CREATE": f"{LIMIT + 1}/d",
        "RATE_LIMIT_UPLOAD": f"{LIMIT}/d",
    }
    with serving(tmp_path, env) as running:
        running.begin()
        yield running


def slowest(answers: list[LoadAnswer]) -> float:
    return max(answer.seconds for answer in answers)


@pytest.mark.slow
@pytest.mark.parametrize(("fail", "repair"), [("kill", "start"), ("pause", "resume")])
def test_t74_redis_failure_under_load_keeps_answers_and_limits(
    redis: redis_server.RedisServer, web: Web, fail: str, repair: str
) -> None:
    reads = [web.current] * ROUNDS
    calm = together(reads, THREADS)
    assert {answer.status for answer in calm} == {200}
    # On a busy machine the circuit breaker may have opened for a moment.
    web.wait_for_health("cache", "ok")
    lost = web.logged("Redis does not answer")

    jobs = [web.create, web.upload, web.current] * ROUNDS
    stormy = together(jobs, THREADS, midway=getattr(redis, fail))

    creates, uploads, currents = (
        Counter(answer.status for answer in stormy[first::3]) for first in range(3)
    )
    assert currents == {200: ROUNDS}
    assert creates.keys() == {201, 429}
    assert uploads.keys() == {415, 429}
    assert LIMIT <= creates[201] <= 2 * LIMIT + 1
    assert LIMIT <= uploads[415] <= 2 * LIMIT
    assert slowest(stormy) < slowest(calm) + PROMISE + BUSY
    assert web.create().status == web.upload().status == 429

    assert web.wait_for_health("cache", "degraded") == 200
    assert web.logged("Redis does not answer") == lost + 1
    getattr(redis, repair)()
    web.wait_for_health("cache", "ok")
    assert web.logged("Redis answers again") == lost + 1
    assert web.current().status == 200
    # A killed Redis has lost its counters. One that hung may lack what was counted
    # in memory while the circuit breaker was open for a moment.
    after = [web.create().status for _ in range(LIMIT + 2)]
    assert after == sorted(after)
    assert after.count(201) == LIMIT + 1 if fail == "kill" else after.count(201) <= LIMIT


def silence(connection: socket.socket) -> None:
    """Read, and never answer."""
    while connection.recv(65536):
        pass


def says(reply: bytes) -> Callable[[socket.socket], None]:
    """Return a server that gives the same reply to every request."""

    def serve(connection: socket.socket) -> None:
        while connection.recv(65536):
            connection.sendall(reply)

    return serve


REPLIES: dict[str, Callable[[socket.socket], Any]] = {
    "silent": silence,
    "hangs up": socket.socket.close,
    "hangs up in the middle": lambda connection: connection.sendall(b"$100\r\nhalf"),
    "loading": says(b"-LOADING Redis is loading the dataset in memory\r\n"),
    "read only": says(b"-READONLY You can't write against a read only replica.\r\n"),
    "full": says(b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    "wants a password": says(b"-NOAUTH Authentication required.\r\n"),
    "another protocol": says(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
}


@pytest.fixture
def caches_in(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that lets the product use the Redis at an address."""

    def use(url: str) -> None:
        monkeypatch.setattr(cache, "_breaker", CircuitBreaker("Redis", cache.RETRY_SECONDS))
        settings.CACHES = {
            name: {"BACKEND": f"maria_project.cache.{backend}", "LOCATION": url}
            for name, backend in (("default", "SharedCache"), ("counters", "SharedCounters"))
        }
        settings.RATELIMIT_USE_CACHE = "counters"

    return use


@pytest.fixture
def fake_redis(caches_in: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Return a function that replaces the Redis of the cache by a server in REPLIES."""
    # The memory of the process is found by the URL, so a port must not come again soon.
    listener = socket.create_server(("127.0.0.1", free_port()))
    behave: list[Callable[[socket.socket], Any]] = []

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            behave[0](connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    def become(name: str) -> None:
        behave.append(REPLIES[name])
        threading.Thread(target=accept, daemon=True).start()
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        caches_in(url)

    yield become
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize("name", REPLIES)
def test_t74_any_reply_on_the_redis_port_is_not_an_error_and_lifts_no_limit(
    db: None, settings: Any, fake_redis: Callable[[str], None], name: str
) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["3/d"]}
    fake_redis(name)
    assert Visitor().get("/health/live").status_code == 200

    statuses = [Visitor().start().status_code for _ in range(5)]

    assert statuses == [201, 201, 201, 429, 429]
    assert events().count("ratelimit.exceeded") == 1
    assert Visitor().get("/health/ready").json()["parts"]["cache"] == "degraded"


def test_t74_limit_counts_in_memory_after_redis_is_lost(
    db: None, settings: Any, redis: redis_server.RedisServer, caches_in: Callable[[str], None]
) -> None:
    """Redis has the counter, memory does not."""
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["3/d"]}
    caches_in(redis.url)
    assert Visitor().start().status_code == 201
    redis.kill()

    answers = [Visitor().start() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [201, 201, 201, 429]
    assert answers[0]["RateLimit"].startswith('"create-86400s";r=2;')


def test_t74_a_counter_takes_one_exchange_and_expires(
    db: None, settings: Any, redis: redis_server.RedisServer, caches_in: Callable[[str], None]
) -> None:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "create": ["2/d"]}
    caches_in(redis.url)
    client = Redis.from_url(redis.url)
    Visitor().start()  # Redis has the script from now on.
    (counter,) = client.keys("*rl:*")
    client.config_resetstat()

    statuses = [Visitor().start().status_code for _ in range(2)]

    assert statuses == [201, 429]
    commands = {name: found["calls"] for name, found in client.info("commandstats").items()}
    assert commands["cmdstat_evalsha"] == commands["cmdstat_incr"] == 2
    assert not commands.keys() & {"cmdstat_eval", "cmdstat_incrby"}
    assert client.get(counter) == b"3"
    assert 0 < client.ttl(counter) <= 24 * 60 * 60 + 60

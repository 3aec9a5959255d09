"""The shared cache: Redis while it answers, this process's own memory while it does not.

Rate limits and the counting of refusals live in the cache, so a request must
neither fail nor wait because of it. While Redis is away each process counts by
itself, so in each process at most twice a limit passes.
"""

from collections.abc import Callable
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from maria_project.breaker import CircuitBreaker

# A request may wait for Redis once, and 0.3 s is what it may cost.
TIMEOUT_SECONDS = 0.2
RETRY_SECONDS = 3.0

_OPTIONS = {
    "SOCKET_CONNECT_TIMEOUT": TIMEOUT_SECONDS,
    "SOCKET_TIMEOUT": TIMEOUT_SECONDS,
    # RESP3's maintenance notices can stretch the timeout; introductions cost round trips.
    "CONNECTION_POOL_KWARGS": {"protocol": 2, "driver_info": None},
}
_AWAY = (RedisError, ConnectionInterrupted, OSError)
# Django makes a cache for each thread, so what they all know is here.
_breaker = CircuitBreaker("Redis", RETRY_SECONDS)


class SharedCache(BaseCache):
    """Redis at a URL, with memory to fall back on; no method raises because Redis is away."""

    def __init__(self, url: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {**params.get("OPTIONS", {}), **_OPTIONS}
        self._redis: Any = RedisCache(url, {**params, "OPTIONS": options})
        self._memory = LocMemCache(url, params)

    def is_answering(self) -> bool:
        """Ask Redis itself; False without asking where it has just failed."""
        return _breaker.lets_through(self._ping) and self._ping()

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        return bool(self._call("add", key, value, timeout=timeout, version=version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._call("get", key, default, version=version)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        self._call("set", key, value, timeout=timeout, version=version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        return bool(self._call("touch", key, timeout=timeout, version=version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        return bool(self._call("delete", key, version=version))

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        """Add to a counter. One that only Redis knows begins at 0 in memory, but is not taken from."""

        def in_memory() -> int:
            if delta > 0:
                self._memory.add(key, 0, timeout=None, version=version)
            return self._memory.incr(key, delta, version=version)

        return int(self._call("incr", key, delta, version=version, in_memory=in_memory))

    def clear(self) -> None:
        """Empty both."""
        self._memory.clear()
        self._call("clear")

    def _call(
        self, method: str, *args: Any, in_memory: Callable[[], Any] | None = None, **kwargs: Any
    ) -> Any:
        if _breaker.lets_through(self._ping):
            try:
                return getattr(self._redis, method)(*args, **kwargs)
            except _AWAY as error:
                _breaker.failed(error)
        return in_memory() if in_memory else getattr(self._memory, method)(*args, **kwargs)

    def _ping(self) -> bool:
        try:
            return bool(self._redis.client.get_client().ping())
        except _AWAY as error:
            _breaker.failed(error)
            return False


def is_answering() -> bool:
    """Say whether the cache that processes share answers; always, where each has its own."""
    cache = caches["default"]
    return cache.is_answering() if isinstance(cache, SharedCache) else True

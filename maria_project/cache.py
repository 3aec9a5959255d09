"""The shared cache: Redis, or the memory of this process while Redis does not answer.

Rate limits and counters of refusals are in the cache, so a request must not
fail or wait because of it. Without Redis each process counts separately, so
each process allows at most twice the limit.
"""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError

from common.breaker import CircuitBreaker

# A request waits for Redis at most once, and at most 0.3 s in all.
TIMEOUT_SECONDS = 0.2
RETRY_SECONDS = 3.0

_OPTIONS = {
    "SOCKET_CONNECT_TIMEOUT": TIMEOUT_SECONDS,
    "SOCKET_TIMEOUT": TIMEOUT_SECONDS,
    # RESP3 maintenance notices can extend the timeout; CLIENT SETINFO costs round trips.
    "CONNECTION_POOL_KWARGS": {"protocol": 2, "driver_info": None},
}
_AWAY = (RedisError, ConnectionInterrupted, OSError)
# Shared by all threads: Django creates a cache object for each.
_breaker = CircuitBreaker("Redis", RETRY_SECONDS)


class SharedCache(BaseCache):
    """Redis with a fallback to memory. No method raises if Redis does not answer."""

    def __init__(self, url: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        options = {**params.get("OPTIONS", {}), **_OPTIONS}
        self._redis: Any = RedisCache(url, {**params, "OPTIONS": options})
        self._memory = LocMemCache(url, params)

    def is_answering(self) -> bool:
        """Ping Redis; return False without a ping while the circuit breaker is open."""
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
        """Add to a counter. In memory, a missing counter starts at 0; a negative delta raises."""

        def in_memory() -> int:
            if delta > 0:
                self._memory.add(key, 0, timeout=None, version=version)
            return self._memory.incr(key, delta, version=version)

        return int(self._call("incr", key, delta, version=version, in_memory=in_memory))

    def clear(self) -> None:
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

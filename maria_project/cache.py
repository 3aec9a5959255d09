"""The shared cache: Redis, or the memory of this process while Redis does not answer.

Rate limits and counters of refusals are in the cache, so a request must not
fail or wait because of it. Without Redis each process counts separately, so
each process allows at most twice the limit.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django_redis.cache import RedisCache
from django_redis.exceptions import ConnectionInterrupted
from redis.exceptions import RedisError, ResponseError

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
# A counter that expires between two commands would count for ever.
_BEGIN_OR_COUNT = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'EX', ARGV[2]) then
    return tonumber(ARGV[1])
end
return redis.call('INCR', KEYS[1])
"""
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

        return int(
            self._try(
                lambda: self._redis.incr(key, delta, version=version),
                lambda: self._count_in_memory(key, delta, version),
            )
        )

    def clear(self) -> None:
        self._memory.clear()
        self._call("clear")

    def _count_in_memory(self, key: Any, delta: int, version: int | None) -> int:
        if delta > 0:
            self._memory.add(key, 0, timeout=None, version=version)
        return self._memory.incr(key, delta, version=version)

    def _call(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._try(
            lambda: getattr(self._redis, method)(*args, **kwargs),
            lambda: getattr(self._memory, method)(*args, **kwargs),
        )

    def _try(self, in_redis: Callable[[], Any], in_memory: Callable[[], Any]) -> Any:
        if _breaker.lets_through(self._ping):
            try:
                return in_redis()
            except _AWAY as error:
                _breaker.failed(error)
        return in_memory()

    def _ping(self) -> bool:
        try:
            return bool(self._redis.client.get_client().ping())
        except _AWAY as error:
            _breaker.failed(error)
            return False


class MemoryCounters(LocMemCache):
    """The counters of django-ratelimit in the memory of this process."""

    def validate_key(self, key: str) -> None:
        """Accept it: django-ratelimit's keys are hashes. Django would look at each character."""


class SharedCounters(SharedCache):
    """The counters of django-ratelimit, with one exchange with Redis for each request.

    django-ratelimit begins a counter with `add`, and calls `incr` if there is one already. Here
    `add` has counted then, and `incr` returns the number. Django has one object for each thread.
    """

    _counted: tuple[Any, int] | None = None

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Begin a counter with `value` for `timeout` seconds and return True, or count."""

        def in_memory() -> int:
            if self._memory.add(key, value, timeout=timeout, version=version):
                return int(value)
            return self._count_in_memory(key, 1, version)

        count = self._try(lambda: self._count_in_redis(key, value, timeout, version), in_memory)
        self._counted = (key, count)
        return bool(count == value)

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        counted, self._counted = self._counted, None
        if counted and (counted[0], delta) == (key, 1):
            return counted[1]
        return super().incr(key, delta, version)

    def _count_in_redis(self, key: Any, value: int, timeout: int, version: int | None) -> int:
        key = self._redis.client.make_key(key, version=version)
        count = self._script(keys=[key], args=[value, timeout])
        if not isinstance(count, int):
            raise ResponseError(f"{count!r} is not a number")
        return count

    @cached_property
    def _script(self) -> Any:
        return self._redis.client.get_client(write=True).register_script(_BEGIN_OR_COUNT)

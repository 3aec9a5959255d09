"""Database, cache and task queue."""

from pathlib import Path
from typing import Any

from maria_project.settings.deployment import DATA_DIR
from maria_project.settings.environment import env, redis_url, secret

_SQLITE = f"{DATA_DIR}/db.sqlite3"
DATABASE_URL = secret(env, "DATABASE_URL")
DATABASES: dict[str, Any] = {
    "default": env.dj_db_url("DATABASE_URL", DATABASE_URL)
    if DATABASE_URL
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": _SQLITE}
}
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    Path(_database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
    # FULL: an acknowledged write survives a power cut. IMMEDIATE: two writers
    # wait for each other instead of failing. secure_delete: deleted rows are overwritten.
    _database["ENGINE"] = "maria_project.sqlite3"
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;"
        ),
    }
    # Closing the last connection runs a checkpoint of the write-ahead log. Without
    # open connections, a server with little load would do this in every request.
    _database["CONN_MAX_AGE"] = 60
else:
    _options = _database.setdefault("OPTIONS", {})
    _options["connect_timeout"] = 5
    # In transaction mode, a cursor that outlives a transaction may be in another connection.
    is_pooled = str(_options.pop("pgbouncer", "")).lower() == "true"
    _database["DISABLE_SERVER_SIDE_CURSORS"] = is_pooled
    _database["CONN_HEALTH_CHECKS"] = True
    # Web processes replace this by a pool (maria_project/postgresql.py).
    _database["CONN_MAX_AGE"] = 60
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CACHE_URL = secret(env, "CACHE_URL")
CACHES: dict[str, Any] = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        # Holds the rate-limit counters: with fewer entries, busy clients would be forgotten.
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    }
}
if CACHE_URL:
    CACHES["default"].update(
        BACKEND="maria_project.cache.SharedCache", LOCATION=redis_url("CACHE_URL", CACHE_URL)
    )
# The cache of django-ratelimit: the same entries, counted with fewer exchanges or calls.
RATELIMIT_USE_CACHE = "counters"
_counters = "SharedCounters" if CACHE_URL else "MemoryCounters"
CACHES["counters"] = {**CACHES["default"], "BACKEND": f"maria_project.cache.{_counters}"}

Q_CLUSTER: dict[str, Any] = {
    "name": "maria",
    "orm": "default",
    "workers": env.int("WORKER_PROCESSES", 2),
    "queue_limit": 10,
    "poll": 1,
    # Tasks end before `timeout`. `retry` includes the time that a task waits in the queue.
    "timeout": 300,
    "retry": 900,
    "max_attempts": 3,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": 1000,
    "label": "Worker",
}

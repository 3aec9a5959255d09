"""Health endpoints for load balancers and operators: live and ready.

Ready answers 503 only if no request can succeed (database, migrations).
Other problems are reported as `degraded`, with 200.
"""

from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from common.worker import is_queue_well
from maria_project import cache, database
from uploads_app import marker
from uploads_app.cleanup import alerts
from uploads_app.storage.base import object_store


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process serves requests."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Return the state of each part: `ok`, `degraded` or `failed`; 503 if one failed."""
    parts = {name: _state(check) for name, check in _ESSENTIAL.items()}
    if "failed" not in parts.values():
        parts |= {
            name: "ok" if _state(check) == "ok" else "degraded" for name, check in _OTHER.items()
        }
    worst = next((state for state in ("failed", "degraded") if state in parts.values()), "ok")
    return JsonResponse({"status": worst, "parts": parts}, status=503 if worst == "failed" else 200)


def _state(check: Callable[[], bool]) -> str:
    try:
        return "ok" if check() else "failed"
    except (DatabaseError, InterfaceError, OSError):
        return "failed"


def _database() -> bool:
    return database.is_available() and database.answers()


def _migrations() -> bool:
    return database.is_available() and is_migrated()


def is_migrated() -> bool:
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _storage() -> bool:
    object_store().clock()
    marker.require_own_store()
    return True


def _cleanup() -> bool:
    return alerts.current_alert() is None


_ESSENTIAL: dict[str, Callable[[], bool]] = {"database": _database, "migrations": _migrations}
_OTHER: dict[str, Callable[[], bool]] = {
    "cache": cache.is_answering,
    "storage": _storage,
    "queue": is_queue_well,
    "cleanup": _cleanup,
}

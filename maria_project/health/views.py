"""`/health/live` and `/health/ready`."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from maria_project.health.parts import PARTS
from maria_project.health.watch import PROCESS, WATCH

_ESSENTIAL = {PROCESS, *(part.name for part in PARTS if part.is_essential)}


@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process serves requests."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Return the state of each part: `ok`, `degraded` or `failed`; 503 if one failed.

    A part fails if no request can succeed without it. `problems` has a sentence for each
    part that is not `ok`.
    """
    problems = WATCH.problems()
    parts = {name: _state(name, problem) for name, problem in problems.items()}
    worst = next((state for state in ("failed", "degraded") if state in parts.values()), "ok")
    document = {
        "status": worst,
        "parts": parts,
        "problems": {name: problem for name, problem in problems.items() if problem},
    }
    return JsonResponse(document, status=503 if worst == "failed" else 200)


def _state(name: str, problem: str) -> str:
    if not problem:
        return "ok"
    return "failed" if name in _ESSENTIAL else "degraded"

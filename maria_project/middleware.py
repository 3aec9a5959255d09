"""What happens around every view: headers of the API, and a short answer without a database."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from maria_project import database
from maria_project.problems import API_PREFIX, database_unavailable

# Health tells what is wrong, so it is asked whatever is wrong.
HEALTH_PREFIX = "/health/"


def api_headers(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Forbid caches to keep answers of the API, which belong to one session."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.startswith(API_PREFIX):
            response.headers.setdefault("Cache-Control", "no-store")
            patch_vary_headers(response, ["Cookie", "Origin"])
        return response

    return middleware


def database_guard(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 at once where the database has just failed, so that nobody queues for it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path.startswith(HEALTH_PREFIX) or database.is_available():
            return get_response(request)
        return database_unavailable(request)

    return middleware

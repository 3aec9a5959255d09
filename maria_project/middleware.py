"""What holds for every request of the API, whatever its view."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from maria_project.problems import API_PREFIX, respond
from uploads_app.exceptions import LengthRequired


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


def length_required(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 411 to a chunked body: gunicorn passes it on, and Django takes it for an empty one."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if "Transfer-Encoding" in request.headers:
            return respond(
                LengthRequired.status_code,
                LengthRequired.default_code,
                LengthRequired.default_detail,
            )
        return get_response(request)

    return middleware

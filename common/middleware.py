"""Sets the request context, and the response header `X-Request-ID`."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common import context


class RequestContextMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with context.using(context.from_request(request)) as current:
            request.audit_context = current  # type: ignore[attr-defined]  # for log lines
            response = self.get_response(request)
            response["X-Request-ID"] = current.request_id
            return response

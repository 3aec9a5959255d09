"""Puts the request's context in place and names the request in the answer."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from common import context


class RequestContextMiddleware:
    """Make the context of each request current, and answer with its `X-Request-ID`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with context.using(context.from_request(request)) as current:
            request.audit_context = current  # type: ignore[attr-defined]  # for log lines
            response = self.get_response(request)
            response["X-Request-ID"] = current.request_id
            return response

"""The headers that every response has, built once."""

from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.security import SecurityMiddleware
from django.utils.cache import patch_vary_headers

from maria_project.problems import API_PREFIX

# As Django stores them: by the name in lower case.
Headers = dict[str, tuple[str, str]]

# Answers of the API belong to one session, so caches must not store them.
_API = {"Cache-Control": "no-store", "Vary": "Cookie, Origin"}
# What the decorators of django-csp leave on a response.
_CSP_CHANGES = frozenset({"_csp_exempt", "_csp_config", "_csp_update", "_csp_replace"})


class StandardHeaders:
    """Middleware: set the headers of Django's and django-csp's middleware, and some of our own.

    They depend only on the settings, on HTTPS and on the API. A header that a response has is kept,
    and so is a policy that a view has changed with a decorator of django-csp.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._security = SecurityMiddleware(get_response)
        self._frames = XFrameOptionsMiddleware(get_response)
        self._policy = CSPMiddleware(get_response)
        self._built: dict[tuple[bool, bool, bool], Headers] = {}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        is_api = request.path.startswith(API_PREFIX)
        has_policy = not _CSP_CHANGES.isdisjoint(vars(response))
        if has_policy:
            self._policy.process_response(request, response)
        if is_api and "Vary" in response.headers:
            patch_vary_headers(response, _API["Vary"].split(", "))
        kind = (request.is_secure(), is_api, has_policy)
        if kind not in self._built:
            self._built[kind] = self._build(request, is_api=is_api, has_policy=has_policy)
        _add_missing(response, self._built[kind])
        return response

    def _build(self, request: HttpRequest, *, is_api: bool, has_policy: bool) -> Headers:
        own = {"Permissions-Policy": settings.PERMISSIONS_POLICY, **(_API if is_api else {})}
        response = HttpResponse(headers=own)
        del response.headers["Content-Type"]
        self._security.process_response(request, response)
        self._frames.process_response(request, response)
        if not has_policy:
            self._policy.process_response(request, response)
        return response.headers._store


class CheckedHeaders(ResponseHeaders):
    """Headers that were checked when they were set. The server reads all of them with one call."""

    def __init__(self, store: Headers) -> None:
        self._store = store

    def items(self) -> Any:
        return self._store.values()


def _add_missing(response: HttpResponse, headers: Headers) -> None:
    """Do what `response.headers.setdefault` does, for all headers and the length at once."""
    # Django checks a header each time it is set, with ten calls. These were checked when built.
    present = response.headers._store
    added = {**headers, **present}
    if not response.streaming and "content-length" not in present:
        added["content-length"] = ("Content-Length", str(len(response.content)))
    response.headers = CheckedHeaders(added)

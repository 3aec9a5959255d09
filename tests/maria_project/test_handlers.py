"""Visitors' requests pass fewer middleware than staff's, and no request of staff passes too few."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from wsgiref.types import WSGIEnvironment

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_started
from django.db import close_old_connections
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.authentication import SessionAuthentication
from rest_framework.views import APIView

from maria_project.handlers import VISITORS, Handlers, VisitorHandler
from maria_project.settings.environment import exact_origins
from tests.helpers import Visitor

Answered = tuple[str, dict[str, str], bytes]
API = "/api/v1/"
SESSIONS, UPLOADS = f"{API}sessions/", f"{API}uploads/"
CURRENT = f"{SESSIONS}current/"
ORIGIN, FOREIGN = {"Origin": "https://shop.example"}, {"Origin": "https://evil.example"}
PREFLIGHT = {"Access-Control-Request-Method": "POST"}
# Ids and tokens, codes for support, times, and what is left of a limit.
VARIES = re.compile(
    r"[\w-]{32,}|MAR-[A-Z0-9-]{11}|[\d-]{10}T[\d:.]+Z|\d\d:\d\d:\d\d GMT|(?<=;)r=\d+;t=\d+"
)


@pytest.fixture(scope="module")
def product() -> Handlers:
    return Handlers()


def ask(handler: Any, environ: WSGIEnvironment, **more: str) -> Answered:
    """Return the status, headers and body of an answer. Like a test client, keep the connection."""
    started: list[Any] = []
    request_started.disconnect(close_old_connections)
    try:
        body = b"".join(handler({**environ, **more}, lambda *head: started.extend(head)))
    finally:
        request_started.connect(close_old_connections)
    return started[0], dict(started[1]), body


def routes(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Yield the address of each view, as far as it is the same for all requests, with the view."""
    for pattern in resolver.url_patterns:
        address = prefix + str(pattern.pattern).lstrip("^")
        if isinstance(pattern, URLPattern):
            yield address, pattern.callback
        else:
            yield from routes(pattern, address)


def needs_staff(view: type[APIView]) -> bool:
    return any(issubclass(one, SessionAuthentication) for one in view.authentication_classes)


def test_all_views_of_the_api_but_those_of_staff_are_at_addresses_of_visitors() -> None:
    views = [(address, view) for address, view in routes(get_resolver()) if API in address]
    of_staff = {address.startswith(VISITORS) for address, view in views if needs_staff(view.cls)}
    others = {address.startswith(VISITORS) for address, view in views if not needs_staff(view.cls)}
    assert (of_staff, others) == ({False}, {True})


@dataclass(frozen=True)
class Request:
    """A request of a visitor with a file. `{uuid}` and `{file}` stand for what is known to its page."""

    method: str
    path: str
    status: str
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    has_session: bool = True

    def environ(self, visitor: Visitor, file: str) -> WSGIEnvironment:
        path, body = (
            text.replace("{uuid}", visitor.uuid).replace("{file}", file)
            for text in (self.path, self.body)
        )
        headers = {"X-Session-UUID": visitor.uuid, "User-Agent": "a browser", **self.headers}
        kind = "application/json" if body else ""
        return RequestFactory().generic(self.method, path, body, kind, headers=headers).environ


REQUESTS = {
    "current": Request("GET", CURRENT, "200 OK"),
    "revision": Request("GET", f"{CURRENT}revision/", "200 OK"),
    "validate": Request("POST", f"{SESSIONS}validate/", "200 OK", '{"uuid": "{uuid}"}'),
    "create": Request("POST", SESSIONS, "201 Created", "{}", has_session=False),
    "create again": Request("POST", SESSIONS, "200 OK", "{}"),
    "list": Request("GET", UPLOADS, "200 OK"),
    "download": Request("GET", f"{UPLOADS}{{file}}/download/", "200 OK"),
    "change": Request("PATCH", CURRENT, "200 OK", '{"language": "en"}'),
    "preflight": Request("OPTIONS", UPLOADS, "200 OK", headers={**ORIGIN, **PREFLIGHT}),
    "other origin's preflight": Request("OPTIONS", UPLOADS, "200 OK", headers=FOREIGN | PREFLIGHT),
    "no preflight": Request("OPTIONS", CURRENT, "405 Method Not Allowed"),
    "origin": Request("GET", CURRENT, "200 OK", headers=ORIGIN),
    "other origin": Request("GET", CURRENT, "200 OK", headers=FOREIGN),
    "unknown host": Request("GET", CURRENT, "400 Bad Request", headers={"Host": "evil.example"}),
    "no length": Request("POST", UPLOADS, "411 Length Required"),
    "method": Request("PUT", CURRENT, "405 Method Not Allowed"),
    "nowhere": Request("GET", f"{SESSIONS}nowhere/", "404 Not Found"),
    "service": Request("GET", f"{API}service/events/", "401 Unauthorized"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_both_handlers_answer_a_visitor_in_the_same_way(
    visitor: Visitor, make_staff: Any, settings: Any, request_: Request
) -> None:
    """Also one who is signed in as staff in the same browser."""
    settings.ALLOWED_HOSTS = ["testserver"]
    settings.CORS_ALLOWED_ORIGIN_REGEXES = exact_origins([ORIGIN["Origin"]])
    file = visitor.upload().json()["id"]
    staff = make_staff(is_superuser=True)
    cookie = cookies(visitor, staff) if request_.has_session else cookies(staff)

    answers = [
        ask(handler, request_.environ(visitor, file), HTTP_COOKIE=cookie)
        for handler in (VisitorHandler(), WSGIHandler())
    ]
    fewer, all_middleware = map(without_what_varies, answers)

    assert fewer == all_middleware
    assert fewer[0] == request_.status


def without_what_varies(answered: Answered) -> tuple[str, dict[str, str], str]:
    """Return an answer without ids, times, tokens, and how many requests are left."""
    status, headers, body = answered
    kept = {name: VARIES.sub("…", value) for name, value in headers.items()}
    return status, kept, VARIES.sub("…", body.decode("latin-1"))


def test_staff_pass_all_middleware(product: Handlers, make_staff: Any) -> None:
    make, cookie = RequestFactory(), cookies(make_staff(is_superuser=True))
    logs, leave = make.get(f"{API}audit-logs/").environ, make.post("/admin/logout/").environ

    assert ask(product, logs)[0] == "401 Unauthorized"
    assert ask(product, logs, HTTP_COOKIE=cookie)[0] == "200 OK"
    assert ask(product, leave, HTTP_COOKIE=cookie)[0] == "403 Forbidden"


def cookies(*clients: Client) -> str:
    return "; ".join(
        f"{one.key}={one.value}" for client in clients for one in client.cookies.values()
    )

"""Visitors' requests pass fewer middleware than staff's, and no request of staff passes too few."""

import json
from collections.abc import Iterator
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
from tests.helpers import Visitor

Answered = tuple[str, dict[str, str], bytes]
API = "/api/v1/"
CURRENT = f"{API}sessions/current/"


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


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", CURRENT, "200 OK"),
        ("POST", f"{API}uploads/", "411 Length Required"),
        ("PUT", CURRENT, "405 Method Not Allowed"),
        ("GET", f"{API}sessions/nowhere/", "404 Not Found"),
        ("GET", f"{API}service/events/", "401 Unauthorized"),
    ],
)
def test_both_handlers_answer_a_visitor_in_the_same_way(
    visitor: Visitor, make_staff: Any, method: str, path: str, status: str
) -> None:
    """Also one who is signed in as staff in the same browser."""

    def answer(handler: Any) -> tuple[str, list[str], Any]:
        request = RequestFactory().generic(method, path, **visitor.named)
        cookie = cookies(visitor, make_staff(is_superuser=True))
        answered, headers, body = ask(handler, request.environ, HTTP_COOKIE=cookie)
        return answered, sorted(headers), {**json.loads(body), "request_id": None}

    answered = answer(VisitorHandler())
    assert answered == answer(WSGIHandler())
    assert answered[0] == status


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

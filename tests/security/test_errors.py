"""Errors have one format. An internal error discloses only the request id."""

import json
from typing import Any

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import connection
from django.http.response import HttpResponseBase
from rest_framework.views import APIView

from maria_project.problems import SENTENCES
from tests.cases import cases
from tests.helpers import Visitor, code, events, uploaded
from tests.security.routes import Route, api_routes, calls, named, state, visitor_calls

SECRET = "canary-detail-31c7 /srv/secret/path password=hunter2"
FIELDS = {"type", "title", "status", "detail", "code", "request_id"}


class Broken(Exception):
    """An unexpected exception."""


def fails(*args: Any, **kwargs: Any) -> Any:
    raise Broken(SECRET)


def assert_fixed_500(response: HttpResponseBase) -> None:
    """Assert that an answer is exactly the fixed problem document."""
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content) == {  # type: ignore[attr-defined]
        "type": "urn:maria:problem:internal_error",
        "title": "Internal Server Error",
        "status": 500,
        "detail": SENTENCES["internal_error"],
        "code": "internal_error",
        "request_id": response["X-Request-ID"],
    }
    assert "canary" not in str(response.headers)
    assert response["Cache-Control"] == "no-store"


@cases(("route", "method"), calls(), ids=named)
def test_t23_an_exception_in_a_view_discloses_nothing(
    visitor: Visitor, make_staff: Any, monkeypatch: pytest.MonkeyPatch, route: Route, method: str
) -> None:
    """Raise the exception inside DRF, in a step of every view."""
    upload = uploaded(visitor)
    client = route.client(visitor, make_staff)
    client.raise_request_exception = False
    before, logged = state(), len(events())
    monkeypatch.setattr(APIView, "check_throttles", fails)

    response = client.generic(method, route.url(upload), **visitor.named)

    assert response.status_code == 500
    if method != "HEAD":
        assert_fixed_500(response)
    assert (state(), len(events())) == (before, logged)


@cases("route", api_routes(), ids=named)
def test_t23_an_exception_in_middleware_discloses_nothing(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, route: Route
) -> None:
    visitor.raise_request_exception = False
    monkeypatch.setattr(SessionMiddleware, "process_request", fails)

    assert_fixed_500(visitor.get(route.url()))


@cases(("route", "method"), visitor_calls(), ids=named)
def test_t23_a_database_that_fails_discloses_nothing(
    visitor: Visitor, route: Route, method: str
) -> None:
    upload = uploaded(visitor)
    before = state()
    visitor.raise_request_exception = False

    with connection.execute_wrapper(fails):
        response = visitor.generic(method, route.url(upload), **visitor.named)

    assert response.status_code == 500
    if method != "HEAD":
        assert_fixed_500(response)
    assert state() == before


def test_t23_an_error_page_outside_the_api_discloses_nothing(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SessionMiddleware, "process_request", fails)

    response = Visitor(raise_request_exception=False).get("/admin/")

    assert response.status_code == 500
    assert "canary" not in response.content.decode()
    assert response["X-Request-ID"]


@cases(
    ("method", "path", "extra", "expected"),
    [
        ("GET", "/api/v1/nowhere/", {}, (404, "not_found")),
        ("GET", "/api/v1/sessions/current", {}, (404, "not_found")),
        ("GET", "/api/v2/", {}, (404, "not_found")),
        ("GET", "/api/v1/%ff/", {}, (404, "not_found")),
        ("GET", "/api/v1/\N{PILE OF POO}/%00/", {}, (404, "not_found")),
        ("GET", "/api/v1/sessions/current/?format=xml", {}, (404, "not_found")),
        ("POST", "/api/v1/sessions/", {"data": b"{"}, (400, "malformed_body")),
        ("POST", "/api/v1/sessions/", {"headers": {"Host": "evil.example"}}, (400, "malformed_body")),
        ("POST", "/api/v1/sessions/", {"headers": {"Host": "a b"}}, (400, "malformed_body")),
        ("POST", "/api/v1/sessions/", {"data": b"x", "content_type": "text/plain"},
         (415, "unsupported_media_type")),
        ("POST", "/api/v1/sessions/validate/", {}, (400, "invalid_input")),
        ("GET", "/api/v1/sessions/", {}, (405, "method_not_allowed")),
        ("GET", "/api/v1/sessions/current/", {}, (401, "session_required")),
        ("GET", "/api/v1/sessions/current/", {"headers": {"Accept": "text/html"}},
         (406, "not_acceptable")),
        ("GET", "/api/v1/audit-logs/", {}, (401, "not_authenticated")),
        ("GET", "/api/schema/", {"headers": {"Accept": "image/png"}}, (406, "not_acceptable")),
        ("GET", "/api/docs/", {"headers": {"Accept": "image/png"}}, (406, "not_acceptable")),
        ("POST", "/api/docs/", {}, (405, "method_not_allowed")),
    ],
)  # fmt: skip
def test_t23_every_error_is_a_problem_document(
    db: None, method: str, path: str, extra: dict[str, Any], expected: tuple[int, str]
) -> None:
    extra = {"data": b"{}" if method == "POST" else b"", "content_type": "application/json"} | extra

    response = Visitor().generic(method, path, **extra)

    assert (response.status_code, code(response)) == expected
    document = response.json()
    assert document.keys() == FIELDS | ({"errors"} if expected[1] == "invalid_input" else set())
    assert document["type"] == f"urn:maria:problem:{expected[1]}"
    assert document["detail"].endswith(".") or "“" in document["detail"]
    assert "Traceback" not in response.content.decode()


@pytest.mark.both
def test_invalid_input_names_each_field_with_code_and_sentence(db: None) -> None:
    response = Visitor().post("/api/v1/sessions/validate/", {}, content_type="application/json")

    errors = response.json()["errors"]
    assert errors == {"uuid": [{"code": "required", "detail": "This field is required."}]}

"""The headers of every response are those of Django's and django-csp's middleware."""

from typing import Any

import pytest
from csp.decorators import csp_exempt, csp_update
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.common import CommonMiddleware
from django.middleware.security import SecurityMiddleware
from django.test import RequestFactory

from maria_project.headers import StandardHeaders

LIBRARIES = (SecurityMiddleware, XFrameOptionsMiddleware, CSPMiddleware, CommonMiddleware)
API, PAGE = "/api/v1/sessions/", "/about/"


@pytest.fixture(autouse=True)
def deployment(settings: Any) -> None:
    settings.SECURE_HSTS_SECONDS = 3600


def answer(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    return StandardHeaders(lambda _: response)(request)


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("view", [lambda _: HttpResponse("text"), csp_exempt()(HttpResponse),
    csp_update({"img-src": "data:"})(HttpResponse)], ids=["plain", "exempt", "updated"])  # fmt: skip
def test_a_page_has_the_headers_of_the_libraries(secure: bool, view: Any) -> None:
    request = RequestFactory().get(PAGE, secure=secure)
    expected = view(request)
    for library in LIBRARIES:
        expected = library(lambda _, response=expected: response)(request)

    answered = answer(request, view(request))

    headers = dict(answered.headers)
    assert dict(answered.items()) == headers
    assert headers.pop("Permissions-Policy")
    assert headers == dict(expected.headers)
    assert ("Strict-Transport-Security" in headers) == secure


def test_headers_of_a_response_are_kept() -> None:
    own = {"x-frame-options": "SAMEORIGIN", "CONTENT-SECURITY-POLICY": "sandbox",
           "cache-control": "private", "Content-Length": "7", "vary": "Accept"}  # fmt: skip

    response = answer(RequestFactory().get(API), HttpResponse(headers=own))

    assert {name: response.headers[name] for name in own} == {
        **own,
        "vary": "Accept, Cookie, Origin",
    }


def test_only_answers_of_the_api_must_not_be_stored() -> None:
    middleware = StandardHeaders(lambda _: HttpResponse())
    page, answer = (middleware(RequestFactory().get(path)) for path in (PAGE, API))

    assert (answer.get("Cache-Control"), answer.get("Vary")) == ("no-store", "Cookie, Origin")
    assert not {"Cache-Control", "Vary"} & page.headers.keys()


def test_headers_set_later_belong_to_one_response() -> None:
    middleware = StandardHeaders(lambda _: HttpResponse())
    middleware(RequestFactory().get(PAGE))["X-Request-ID"] = "first"

    assert "X-Request-ID" not in middleware(RequestFactory().get(PAGE)).headers


def test_a_stream_has_no_length() -> None:
    stream: Any = StreamingHttpResponse(["text"])
    assert "Content-Length" not in answer(RequestFactory().get(PAGE), stream).headers

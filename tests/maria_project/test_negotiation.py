"""The renderer of an answer is the one that REST framework's own negotiation chooses."""

from typing import Any

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import HTMLFormRenderer, JSONRenderer
from rest_framework.request import Request

from maria_project.negotiation import SimpleNegotiation

RENDERERS = [JSONRenderer(), HTMLFormRenderer()]


def chosen(negotiation: Any, accept: str | None, path: str) -> Any:
    headers = {} if accept is None else {"Accept": accept}
    request = Request(RequestFactory().get(path, headers=headers))
    try:
        return negotiation.select_renderer(request, RENDERERS)
    except NotAcceptable:
        return "406"


@pytest.mark.parametrize("path", ["/api/v1/", "/api/v1/?format=form", "/api/v1/?cursor=x"])
@pytest.mark.parametrize(
    "accept",
    [
        None,
        "",
        "*/*",
        "application/json",
        "application/json; indent=4",
        "application/json;q=0",
        "application/*",
        "text/html",
        "text/html, application/json;q=0.9, */*;q=0.8",
        "image/png",
    ],
)
def test_renderer_is_that_of_the_framework(accept: str | None, path: str) -> None:
    expected = chosen(DefaultContentNegotiation(), accept, path)

    assert chosen(SimpleNegotiation(), accept, path) == expected

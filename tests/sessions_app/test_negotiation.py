"""The short way to a renderer chooses what REST framework chooses."""

import pytest
from django.test import RequestFactory
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request

from sessions_app.api.negotiation import JsonNegotiation
from tests.helpers import Visitor

ACCEPTED = [
    None, "*/*", "application/json", "application/json, text/plain, */*", "application/*",
    "application/json; indent=2", "text/html, */*;q=0.1", "text/html", "", "*/*, application/json",
]  # fmt: skip


def chosen(negotiation: BaseContentNegotiation, accept: str | None) -> str | None:
    headers = {} if accept is None else {"Accept": accept}
    request = Request(RequestFactory().get("/", headers=headers))
    try:
        return str(negotiation.select_renderer(request, [JSONRenderer()])[1])
    except NotAcceptable:
        return None


@pytest.mark.parametrize("accept", ACCEPTED)
def test_the_media_type_is_that_of_rest_framework(accept: str | None) -> None:
    assert chosen(JsonNegotiation(), accept) == chosen(DefaultContentNegotiation(), accept)


def test_a_format_in_the_query_is_negotiated(visitor: Visitor) -> None:
    statuses = [
        visitor.current(query_params={"format": name}).status_code for name in ("json", "xml")
    ]
    assert statuses == [200, 404]

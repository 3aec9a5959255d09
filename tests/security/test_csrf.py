"""Requests that a foreign page can make a browser send change nothing."""

from typing import Any

import pytest

from sessions_app.models import UserSession
from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, stored_keys, uploaded
from tests.security.routes import Route, named, state, visitor_calls

# Independent of the database.

FORMS = {
    "form": ("application/x-www-form-urlencoded", b"reason=requested"),
    "plain": ("text/plain", b'{"reason":"requested"}'),
    "json": ("application/json", b'{"reason":"requested"}'),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
        + pdf()
        + b"\r\n--x--\r\n",
    ),
    "empty": ("", b""),
}
FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example"},
    "no origin to tell": {"Origin": "null"},
    "an empty origin": {"Origin": ""},
    "our name as a prefix": {"Origin": "http://testserver.evil.example"},
    "our name as a suffix": {"Origin": "http://eviltestserver"},
    "another port": {"Origin": "http://testserver:8080"},
    "another scheme": {"Origin": "https://testserver"},
    "another spelling": {"Origin": "http://TESTSERVER"},
    "a path": {"Origin": "http://testserver/"},
    "two origins": {"Origin": "http://testserver, https://evil.example"},
    "a cross-site fetch": {"Sec-Fetch-Site": "cross-site"},
    "a sibling domain": {"Sec-Fetch-Site": "same-site"},
    "an unheard-of site": {"Sec-Fetch-Site": "elsewhere"},
    "another site that says same-origin": {
        "Origin": "https://evil.example",
        "Sec-Fetch-Site": "same-origin",
    },
}
OURS: list[dict[str, str]] = [
    {},
    {"Origin": "http://testserver"},
    {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@cases(("route", "method"), visitor_calls(unsafe_only=True), ids=named)
def test_t07_a_simple_request_with_the_cookie_changes_nothing(
    visitor: Visitor, route: Route, method: str
) -> None:
    upload = uploaded(visitor)
    before, objects, logged = state(), stored_keys(), [*events(), "session.refused"]

    for form, (content_type, body) in FORMS.items():
        response = visitor.generic(method, route.url(upload), body, content_type=content_type)
        assert (response.status_code, code(response)) == (403, "session_header_required"), form
        assert (state(), stored_keys(), events()) == (before, objects, logged), form


@cases(("route", "method"), visitor_calls(unsafe_only=True), ids=named)
def test_t07_a_foreign_page_changes_nothing_even_with_the_header(
    visitor: Visitor, route: Route, method: str
) -> None:
    upload = uploaded(visitor)
    before, objects, logged = state(), stored_keys(), [*events(), "session.refused"]

    for page, headers in FOREIGN.items():
        response = visitor.generic(
            method, route.url(upload), headers={"X-Session-UUID": visitor.uuid, **headers}
        )
        assert (response.status_code, code(response)) == (403, "origin_not_allowed"), page
        assert (state(), stored_keys(), events()) == (before, objects, logged), page


@cases("page", FOREIGN)
@cases("path", ["/api/v1/sessions/", "/api/v1/sessions/validate/"])
def test_t07_a_foreign_page_cannot_use_endpoints_without_proof(
    db: None, page: str, path: str
) -> None:
    response = Visitor().post(path, {}, content_type="application/json", headers=FOREIGN[page])

    assert (response.status_code, code(response)) == (403, "origin_not_allowed")
    assert not response.cookies
    assert not UserSession.objects.exists()


@pytest.mark.parametrize("headers", OURS)
def test_t07_our_own_page_is_accepted(db: None, headers: dict[str, str]) -> None:
    visitor = Visitor()

    assert visitor.start(headers=headers).status_code == 201
    visitor_headers = {"X-Session-UUID": visitor.uuid, **headers}
    assert visitor.upload(headers=visitor_headers).status_code == 201
    ended = visitor.delete("/api/v1/sessions/current/", headers=visitor_headers)
    assert ended.status_code == 204


def test_t07_a_listed_origin_is_accepted_and_similar_ones_are_not(db: None, settings: Any) -> None:
    settings.ALLOWED_ORIGINS = ["https://shop.example", "capacitor://localhost"]

    for origin in settings.ALLOWED_ORIGINS:
        assert Visitor().start(headers={"Origin": origin}).status_code == 201
    for origin in ("https://shop.example.evil.example", "http://shop.example", "capacitor://other"):
        response = Visitor().start(headers={"Origin": origin})
        assert (response.status_code, code(response)) == (403, "origin_not_allowed")
    assert events() == ["session.created", "session.created", "session.refused"]


def test_t07_a_forged_host_does_not_make_a_foreign_origin_ours(db: None) -> None:
    response = Visitor().start(headers={"Origin": "http://evil.example", "Host": "evil.example"})

    assert (response.status_code, code(response)) == (400, "malformed_body")
    assert not UserSession.objects.exists()

"""CORS: listed origins can read answers, errors included; other origins read nothing."""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from django.db import connection

from maria_project.settings.environment import exact_origins
from tests.cases import cases
from tests.helpers import Visitor, code, events, pdf, started, uploaded
from tests.ports import free_port
from tests.security.edge import launched, ready
from tests.security.routes import Route, api_routes, calls, named
from tests.uploads_app.server import WAITRESS

# Independent of the database.

LISTED = ["https://shop.example", "http://localhost:5173", "capacitor://localhost"]
UNLISTED = [
    "https://evil.example", "null", "", "*", "https://shop.example.evil", "https://shop.example.evil.example",
    "https://evilshop.example", "https://www.shop.example", "http://shop.example", "https://shop.example:8443",
    "https://shop.example:443", "https://shop.example.", "https://SHOP.example", "HTTPS://shop.example",
    "Capacitor://localhost", "capacitor://localhost:1", "capacitor://localhos", "capacitor:/localhost",
    "https://shop.example/", "https://shop.example/path", "https://shop.example?", "https://shop.example#x",
    "https://user@shop.example", "https://shopXexample", " https://shop.example", "https://shop.example ",
    "https://shop.example\n", "\thttps://shop.example", "https://shop.example, https://evil.example",
    "https://shop.example https://evil.example", "https://[", "file://", "http://localhost:51730",
]  # fmt: skip
EXPOSED = {
    "Content-Disposition",
    "Date",
    "ETag",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
}
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-session-uuid"}  # fmt: skip
# For staff and for Maria's back end, never for a page of another origin.
CLOSED = re.compile("/api/v1/(audit-logs|service)/")
OPEN_CALLS = [call for call in calls() if not CLOSED.match(call[0].path)]


@pytest.fixture(autouse=True)
def listed(settings: Any) -> None:
    settings.ALLOWED_ORIGINS = LISTED
    settings.CORS_ALLOWED_ORIGIN_REGEXES = exact_origins(LISTED)


def granted(response: Any) -> dict[str, str]:
    """Return the CORS headers of a response."""
    return {
        name.removeprefix("access-control-"): value
        for name, value in ((name.lower(), value) for name, value in response.headers.items())
        if name.startswith("access-control-")
    }


def grants_reading(response: Any, origin: str) -> bool:
    """Say whether a page of `origin` may read the response and the headers it needs."""
    found = granted(response)
    assert set(found.pop("expose-headers", "").split(", ")) in (EXPOSED, {""})
    return found == {"allow-origin": origin, "allow-credentials": "true"}


@pytest.mark.parametrize("origin", LISTED)
def test_t08_every_listed_page_may_read(visitor: Visitor, origin: str) -> None:
    assert grants_reading(visitor.current(headers={"Origin": origin}), origin)


@cases(("route", "method"), OPEN_CALLS, ids=named)
def test_t08_a_listed_page_may_read_every_answer(
    visitor: Visitor, route: Route, method: str
) -> None:
    upload, origin = uploaded(visitor), LISTED[0]
    headers = {"Origin": origin}

    answers = [
        visitor.generic(method, route.url(upload), headers={**headers, "X-Session-UUID": visitor.uuid}),
        Visitor().generic(method, route.url(upload), headers=headers),
    ]  # fmt: skip

    for answer in answers:
        assert grants_reading(answer, origin), (answer.status_code, answer.headers)
        assert "Origin" in answer["Vary"]


@cases("route", api_routes(), ids=named)
def test_t08_no_other_page_may_read_an_answer(visitor: Visitor, route: Route) -> None:
    upload = uploaded(visitor)
    # Origins are compared before the view runs, so one URL is enough for the unusual ones.
    origins = UNLISTED if "current/" in route.path else UNLISTED[:6]
    for method, origin in itertools.product(("GET", "POST", "OPTIONS"), origins):
        response = visitor.generic(
            method, route.url(upload), headers={"Origin": origin, **PREFLIGHT}
        )
        assert granted(response) == {}, (method, origin)


def test_t08_no_origin_is_listed_unless_it_is_set(db: None, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGIN_REGEXES = exact_origins([])

    for origin in (*LISTED, *UNLISTED):
        assert granted(Visitor().current(headers={"Origin": origin})) == {}


def test_t08_null_is_never_an_allowed_origin(db: None, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGIN_REGEXES = exact_origins(["null"])

    assert granted(Visitor().current(headers={"Origin": "null"})) == {}


@cases("path", ["/", "/admin/login/", "/health/live", "/health/ready", "/metrics", "/nowhere", "/static/maria/mark.svg"])  # fmt: skip
def test_t08_outside_the_api_no_page_may_read_anything(db: None, path: str) -> None:
    for method in ("GET", "OPTIONS"):
        response = Visitor().generic(method, path, headers={"Origin": LISTED[0], **PREFLIGHT})
        assert granted(response) == {}


def test_t08_staff_endpoints_allow_no_origin(make_staff: Any) -> None:
    staff = make_staff("Auditor")

    for path in ("/api/v1/audit-logs/", "/api/v1/audit-logs/1/", "/api/v1/service/events/"):
        assert granted(staff.get(path, headers={"Origin": LISTED[0]})) == {}
    assert staff.get("/api/v1/audit-logs/", headers={"Origin": LISTED[0]}).status_code == 200


@pytest.mark.parametrize("origin", LISTED)
def test_a_preflight_says_what_may_be_sent(visitor: Visitor, origin: str) -> None:
    before = events()

    response = visitor.options("/api/v1/uploads/", headers={"Origin": origin, **PREFLIGHT})

    found = granted(response)
    assert response.status_code == 200
    assert set(found["allow-headers"].split(", ")) == {
        "authorization", "content-type", "idempotency-key", "if-none-match", "x-session-uuid"
    }  # fmt: skip
    assert set(found["allow-methods"].split(", ")) == {"GET", "HEAD", "POST", "PATCH", "DELETE"}
    assert found["max-age"] == "7200"
    assert (found["allow-origin"], found["allow-credentials"]) == (origin, "true")
    assert events() == before


def unproven() -> Any:
    return Visitor().current(headers={"Origin": LISTED[0]})


def nowhere() -> Any:
    return Visitor().get("/api/v1/nowhere/", headers={"Origin": LISTED[0]})


def too_large() -> Any:
    visitor = started()
    return visitor.upload(
        pdf(size=6_000_000), headers={"X-Session-UUID": visitor.uuid, "Origin": LISTED[0]}
    )


def too_often() -> Any:
    for _ in range(61):
        last = Visitor().post(
            "/api/v1/sessions/validate/", {}, "application/json", headers={"Origin": LISTED[0]}
        )
    return last


def foreign_host() -> Any:
    """Requests that middleware refuses before a view is found."""
    return Visitor().get("/api/v1/uploads/", headers={"Host": "evil.example", "Origin": LISTED[0]})


def failing() -> Any:
    def fail(*_: Any) -> Any:
        raise RuntimeError("the database fell over")

    with connection.execute_wrapper(fail):
        return Visitor(raise_request_exception=False).start(headers={"Origin": LISTED[0]})


@pytest.mark.parametrize(
    ("ask", "status", "expected"),
    [
        (unproven, 401, "session_required"),
        (nowhere, 404, "not_found"),
        (too_large, 413, "file_too_large"),
        (too_often, 429, "rate_limited"),
        (foreign_host, 400, "malformed_body"),
        (failing, 500, "internal_error"),
    ],
    ids=["401", "404", "413", "429", "400 of the middleware", "500"],
)
def test_a_listed_page_may_read_errors(
    db: None, ask: Callable[[], Any], status: int, expected: str
) -> None:
    response = ask()

    assert (response.status_code, code(response)) == (status, expected)
    assert grants_reading(response, LISTED[0])
    assert {"Origin", "Cookie"} <= set(re.split(r",\s*", response["Vary"]))


@pytest.mark.slow
def test_t08_the_setting_reaches_a_real_server(tmp_path: Path) -> None:
    port = free_port()
    with launched(
        tmp_path / "data", [*WAITRESS, str(port)], ALLOWED_ORIGINS="https://shop.example/,app://maria"
    ):  # fmt: skip
        ready(port)
        url = f"http://127.0.0.1:{port}/api/v1/sessions/"
        answers = {
            origin: requests.post(url, json={}, headers={"Origin": origin}, timeout=30)
            for origin in ("https://shop.example", "app://maria", "app://mariana", "null")
        }

    assert [answer.status_code for answer in answers.values()] == [201, 201, 403, 403]
    assert [bool(granted(answer)) for answer in answers.values()] == [True, True, False, False]

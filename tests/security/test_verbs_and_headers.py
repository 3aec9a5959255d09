"""Every method of every API route, and the headers of every answer."""

import json
import re
from typing import Any

import pytest

from audit_app.models import AuditLog
from sessions_app.services.recovery import issue_recovery_code
from tests.cases import cases
from tests.helpers import Visitor, code, events, mailed_code, stored_keys, uploaded
from tests.security.routes import METHODS, Route, api_routes, calls, named, state
from tests.uploads_app.direct_support import offer_forms
from uploads_app.models import UploadedFile

# Independent of the database.


def good_body(path: str, visitor: Visitor) -> dict[str, Any]:
    """Prepare the data for a successful call; return its body."""
    match path.removeprefix("/api/v1/"):
        case "sessions/validate/":
            return {"uuid": visitor.uuid}
        case "sessions/recover/":
            return {"code": issue_recovery_code(session=visitor.row, reason="lost device")}
        case "sessions/current/email/":
            visitor.identify(email="anna@example.com")
        case "sessions/current/email/verify/":
            visitor.identify(email="anna@example.com")
            visitor.ask_for_code()
            return {"code": mailed_code()}
        case "service/sessions/introspect/":
            return {"assertion": visitor.assertion()}
        case "uploads/direct/":
            return {"name": "report.pdf", "size": 1}
    return {}


@cases("route", api_routes(), ids=named)
@cases("proven", [True, False], ids=["proven", "unproven"])
def test_t21_other_methods_are_405_and_change_nothing(
    visitor: Visitor, make_staff: Any, route: Route, proven: bool
) -> None:
    upload = uploaded(visitor)
    client = route.client(visitor, make_staff) if proven else Visitor()
    before, objects, logged = state(), stored_keys(), len(events())

    for method in set(METHODS) - route.methods:
        response = client.generic(method, route.url(upload), **visitor.named)

        if route.staff and not proven:  # DRF authenticates first
            assert (response.status_code, code(response)) == (401, "not_authenticated")
        else:
            assert response.status_code == 405, method
            assert method == "HEAD" or code(response) == "method_not_allowed"
        assert set(response["Allow"].split(", ")) == route.methods
    assert (state(), stored_keys(), len(events())) == (before, objects, logged)


@cases("path", ["/api/", "/api/v1/", "/api/v1/sessions", "/api/v1/nowhere/", "/api/v1/uploads/x/"])
def test_t21_unknown_addresses_are_404_by_every_method(visitor: Visitor, path: str) -> None:
    for method in METHODS:
        response = visitor.generic(method, path, **visitor.named)

        assert response.status_code == 404
        if method != "HEAD":
            assert code(response) == "not_found"


@cases(("route", "method"), calls(), ids=named)
def test_t22_no_answer_of_the_api_may_be_cached(
    visitor: Visitor, make_staff: Any, settings: Any, route: Route, method: str
) -> None:
    offer_forms(settings)
    upload, event = uploaded(visitor), AuditLog.objects.order_by("id")[0]
    UploadedFile.objects.update(direct=True)  # only a direct upload can be completed
    client = route.client(visitor, make_staff)
    url = route.path % {"pk": event.pk} if route.staff else route.url(upload)
    body = {"data": json.dumps(good_body(route.path, visitor)), "content_type": "application/json"}

    refused = Visitor().generic(method, url, **visitor.named)
    if (method, route.path) == ("POST", "/api/v1/uploads/"):
        good = visitor.upload()
    else:
        good = client.generic(method, url, **body, **visitor.named)

    assert good.status_code < 300
    for response in (good, refused):
        directives = re.split(r",\s*", response["Cache-Control"])
        assert "no-store" in directives
        assert "public" not in directives
        assert {"Cookie", "Origin"} <= set(re.split(r",\s*", response["Vary"]))
        assert response["X-Content-Type-Options"] == "nosniff"
        assert re.fullmatch("[0-9a-f]{32}", response["X-Request-ID"])


@pytest.mark.parametrize(
    "path", ["/api/v1/nowhere/", "/api/v1/uploads/x/", "/api/v1/sessions/current/"]
)
def test_t22_refusals_are_not_cached(db: None, path: str) -> None:
    for host in ("testserver", "evil.example"):
        response = Visitor().get(path, headers={"Host": host})
        assert response.status_code in {400, 401, 404}
        assert response["Cache-Control"] == "no-store"
        assert {"Cookie", "Origin"} <= set(re.split(r",\s*", response["Vary"]))


@cases(
    ("path", "status"),
    [
        ("/", 200), ("/nowhere", 404), ("/admin/login/", 200), ("/health/live", 200),
        ("/health/ready", 200), ("/static/maria/mark.svg", 200), ("/static/nothing", 404),
        ("/api/schema/", 200), ("/api/docs/", 200), ("/api/v1/nowhere/", 404),
        ("/api/v1/sessions/current/", 401), ("/api/v1/sessions/", 405),
    ],
)  # fmt: skip
def test_every_answer_names_its_request(db: None, path: str, status: int) -> None:
    first, second = Visitor().get(path), Visitor().get(path)

    assert (first.status_code, second.status_code) == (status, status)
    assert re.fullmatch("[0-9a-f]{32}", first["X-Request-ID"])
    assert first["X-Request-ID"] != second["X-Request-ID"]


def test_a_visitor_cannot_choose_the_request_id(db: None) -> None:
    response = Visitor().get("/api/v1/sessions/current/", headers={"X-Request-ID": "chosen-by-me"})

    assert response["X-Request-ID"] != "chosen-by-me"


def test_our_own_proxy_can_name_the_request(db: None, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    for given, kept in (
        ("proxy-1234", True), ("a" * 64, True), ("a" * 65, False), ("short", False),
        ("with space-1", False), ("line\nbreak", False),
    ):  # fmt: skip
        response = Visitor().get("/api/v1/sessions/current/", headers={"X-Request-ID": given})
        assert (response["X-Request-ID"] == given) is kept

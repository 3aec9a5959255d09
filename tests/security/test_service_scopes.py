"""Each endpoint for services needs a key with its scope."""

import json
from typing import Any

import pytest
from django.test import Client

from audit_app.models import AuditLog
from sessions_app.models import Scope
from tests.cases import cases
from tests.helpers import Service, code, events, started, uploaded
from tests.security.routes import api_routes, state
from tests.sessions_app.service_support import service

pytestmark = pytest.mark.django_db

CALLS = {
    "/api/v1/service/sessions/introspect/": ("POST", Scope.SESSIONS),
    "/api/v1/service/sessions/%(uuid)s/uploads/": ("GET", Scope.UPLOADS),
    "/api/v1/service/sessions/%(uuid)s/uploads/%(pk)s/download/": ("GET", Scope.UPLOADS),
    "/api/v1/service/events/": ("GET", Scope.EVENTS),
}


def call(client: Client, path: str) -> Any:
    """Call a service endpoint for an existing row."""
    visitor = started()
    upload = uploaded(visitor)
    body = {"assertion": visitor.assertion()}
    url = path % {"uuid": visitor.uuid, "pk": upload.pk}
    return client.generic(CALLS[path][0], url, json.dumps(body), "application/json")


def test_t01_the_endpoints_for_services_are_known() -> None:
    found = {route.path for route in api_routes() if route.path.startswith("/api/v1/service/")}
    assert found == CALLS.keys()


@cases("path", CALLS)
@cases("scope", Scope.values)
def test_t01_a_key_permits_only_its_scope(path: str, scope: str) -> None:
    agent = service(scope)

    answer = call(agent, path)

    if scope == CALLS[path][1]:
        assert answer.status_code == 200
        return
    assert (answer.status_code, code(answer)) == (403, "scope_missing")
    assert CALLS[path][1] in answer.json()["detail"]
    log = AuditLog.objects.get(event_type="service.refused")
    assert (log.actor, log.details["code"]) == ("service:maria-agent", "scope_missing")
    assert "upload.downloaded" not in events()


@pytest.mark.parametrize("path", CALLS)
def test_t01_without_a_valid_key_nothing_is_returned(path: str) -> None:
    for client, expected in (
        (Client(), "service_key_required"),
        (started(), "service_key_required"),
        (Service("msk1_" + "A" * 43), "service_key_invalid"),
    ):
        answer = call(client, path)
        assert (answer.status_code, code(answer)) == (401, expected)
    assert "upload.downloaded" not in events()


@pytest.mark.parametrize("path", CALLS)
def test_t21_other_methods_of_service_endpoints_are_405(path: str) -> None:
    visitor, agent = started(), service()
    url = path % {"uuid": visitor.uuid, "pk": uploaded(visitor).pk}
    before, written = state(), events()
    taken = {"GET", "HEAD"} if CALLS[path][0] == "GET" else {"POST"}
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - taken:
        answer = agent.generic(method, url)
        assert answer.status_code == 405
        assert set(answer["Allow"].split(", ")) == taken
    assert (state(), events()) == (before, written)

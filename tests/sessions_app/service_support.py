"""A service of ours at the API's door, with a key that an operator has made for it."""

import io
from collections.abc import Iterable
from typing import Any

from django.core.management import call_command
from django.test import Client

from sessions_app.models import Scope
from tests.helpers import Visitor

INTROSPECT = "/api/v1/service/sessions/introspect/"
FEED = "/api/v1/service/events/"
NAME = "maria-agent"


def make_key(
    name: str = NAME, scopes: Iterable[str] = Scope.values, *options: str
) -> tuple[str, str]:
    """Make a key as an operator does; return its secret and what was said beside it."""
    out, err = io.StringIO(), io.StringIO()
    wanted = [f"--scope={scope}" for scope in scopes]
    call_command("create_service_key", name, *wanted, *options, stdout=out, stderr=err)
    return out.getvalue().removesuffix("\n"), err.getvalue()


class Service(Client):
    """Maria's own back end: every request carries its key."""

    def __init__(self, secret: str, **extra: Any) -> None:
        super().__init__(headers={"Authorization": f"Bearer {secret}"}, **extra)
        self.secret = secret

    def introspect(self, assertion: str) -> Any:
        """POST service/sessions/introspect/."""
        return self.post(INTROSPECT, {"assertion": assertion}, content_type="application/json")

    def files(self, session_uuid: str) -> Any:
        """GET service/sessions/{uuid}/uploads/."""
        return self.get(f"/api/v1/service/sessions/{session_uuid}/uploads/")

    def file(self, session_uuid: str, upload_id: Any) -> Any:
        """GET service/sessions/{uuid}/uploads/{id}/download/."""
        return self.get(f"/api/v1/service/sessions/{session_uuid}/uploads/{upload_id}/download/")

    def feed(self, **query: Any) -> Any:
        """GET service/events/."""
        return self.get(FEED, query)


def service(*scopes: str, name: str = NAME) -> Service:
    """Return a service with a new key; with every scope unless some are named."""
    return Service(make_key(name, scopes or Scope.values)[0])


def assertion_of(visitor: Visitor) -> str:
    """POST sessions/current/assertion/ as a visitor's page does."""
    answer = visitor.post("/api/v1/sessions/current/assertion/", **visitor.named)
    assert answer.status_code == 200, answer.content
    assertion: str = answer.json()["assertion"]
    return assertion

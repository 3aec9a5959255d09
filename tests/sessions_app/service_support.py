"""A service that calls the API with a key that an operator has created."""

import io
from collections.abc import Iterable

from django.core.management import call_command

from sessions_app.models import Scope
from tests.helpers import Service

FEED = "/api/v1/service/events/"
NAME = "maria-agent"


def make_key(
    name: str = NAME, scopes: Iterable[str] = Scope.values, *options: str
) -> tuple[str, str]:
    """Create a key with the command; return its standard output and standard error."""
    out, err = io.StringIO(), io.StringIO()
    wanted = [f"--scope={scope}" for scope in scopes]
    call_command("create_service_key", name, *wanted, *options, stdout=out, stderr=err)
    return out.getvalue().removesuffix("\n"), err.getvalue()


def service(*scopes: str, name: str = NAME) -> Service:
    """Return a service with a new key, by default with every scope."""
    return Service(make_key(name, scopes or Scope.values)[0])

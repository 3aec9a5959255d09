"""Every route of the API, read from the URL resolver, so that a new view is covered."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.regex_helper import normalize

from common.groups import AUDITOR
from maria_project import pages
from sessions_app.api.service_views import ProvenService
from sessions_app.authentication import ProvenSession
from sessions_app.models import Scope, UserSession
from tests.helpers import Service, made_key
from uploads_app.models import UploadedFile

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """One URL pattern: its path with %(name)s for parameters, and the methods it takes."""

    path: str
    view: Any
    methods: frozenset[str]

    @property
    def visitors(self) -> bool:
        """Whether a visitor's session must be proven here."""
        return any(issubclass(proof, ProvenSession) for proof in self._proofs)

    @property
    def services(self) -> bool:
        """Whether a service key is needed here."""
        return any(issubclass(proof, ProvenService) for proof in self._proofs)

    @property
    def staff(self) -> bool:
        """Whether a log-in of staff is needed here."""
        return bool(self._proofs) and not self.visitors and not self.services

    @property
    def _proofs(self) -> list[Any]:
        if self.view in (pages.schema, pages.api_docs):  # functions, which need no proof
            return []
        given = getattr(self.view, "initkwargs", {}).get("authentication_classes")
        found: list[Any] = self.view.cls.authentication_classes if given is None else given
        return found

    def url(self, upload: UploadedFile | uuid.UUID | None = None) -> str:
        """Return the URL with an upload's ids, or with random ids."""
        key = 1 if self.staff else getattr(upload, "pk", upload) or uuid.uuid4()
        owner = getattr(upload, "session_id", None) or uuid.uuid4()
        return self.path % {"pk": key, "uuid": owner} if "%(" in self.path else self.path

    def client(self, visitor: Any, make_staff: Any) -> Any:
        """Return a client with access: the visitor, an auditor or a service with all scopes."""
        if self.services:
            return Service(made_key(*Scope.values))
        return make_staff(AUDITOR) if self.staff else visitor


@cache
def api_routes() -> tuple[Route, ...]:
    """Return every route under /api/."""
    return tuple(
        Route("/" + path, view, _methods(view))
        for path, view in _walk(get_resolver(), "")
        if path.startswith("api/")
    )


def calls(*, unsafe_only: bool = False) -> list[tuple[Route, str]]:
    """Return every route with every method that it takes."""
    return [
        (route, method)
        for route in api_routes()
        for method in METHODS
        if method in route.methods and (method in UNSAFE or not unsafe_only)
    ]


def visitor_calls(*, unsafe_only: bool = False) -> list[tuple[Route, str]]:
    """Return every call that needs a proven session."""
    return [call for call in calls(unsafe_only=unsafe_only) if call[0].visitors]


def named(call: Any) -> str:
    """Return the test id of a route or a method."""
    return call.path if isinstance(call, Route) else str(call)


def state() -> list[Any]:
    """Return every row of sessions and files, to see that nothing changed."""
    return [
        *UserSession.objects.order_by("uuid").values_list(),
        *UploadedFile.objects.order_by("id").values_list(),
    ]


def _walk(resolver: URLResolver, prefix: str) -> Iterator[tuple[str, Any]]:
    for pattern in resolver.url_patterns:
        # The same function that Django's own reverse() reads patterns with.
        path = prefix + normalize(pattern.pattern.regex.pattern)[0][0]
        if isinstance(pattern, URLPattern):
            yield path, pattern.callback
        else:
            yield from _walk(pattern, path)


def _methods(view: Any) -> frozenset[str]:
    taken = set(getattr(view, "actions", None) or ["get"])
    if "get" in taken:
        taken.add("head")
    return frozenset(method.upper() for method in taken)

"""OpenAPI: credentials, common headers and problem documents."""

from importlib import import_module
from typing import Any, Literal

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from common.documented import describe_all
from sessions_app.authentication import HEADER, ProvenSession
from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.services.links import PARAMETER

NAME_PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": f"^{UUID_PATTERN}$"},
    OpenApiParameter.HEADER,
    description=(
        "The session UUID. Required for changes with the cookie. The server compares it with the "
        "session of the cookie and never uses it to select a session."
    ),
)


def _response_header(name: str, about: str, **extra: Any) -> OpenApiParameter:
    """Describe a header of all answers, or of the statuses in `response`."""
    kind = {"type": str, "response": True, **extra}
    return OpenApiParameter(name, location=OpenApiParameter.HEADER, description=about, **kind)


RESPONSE_HEADERS = [
    _response_header(
        "X-Request-ID", "The id of the request in logs and audit events.", required=True
    ),
    _response_header("RateLimit-Policy", "The limits that apply (IETF draft)."),
    _response_header("RateLimit", "The remaining requests of the limits (IETF draft)."),
    _response_header(
        "Retry-After", "Seconds to wait after a 429 or 503.", type=int, response=["default"]
    ),
    _response_header(
        "WWW-Authenticate", "On 401: which credentials are accepted.", response=["default"]
    ),
]


class FieldErrorSerializer(serializers.Serializer[Any]):
    """An error of one field."""

    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """An RFC 9457 problem document. `code` is for programs, `detail` for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()


class InvalidInputSerializer(ProblemSerializer):
    """A problem document about invalid input. `errors` lists the errors of each field."""

    def get_fields(self) -> dict[str, Any]:
        # A declared field `errors` would hide the property of the serializer.
        return {
            **super().get_fields(),
            "errors": serializers.DictField(child=FieldErrorSerializer(many=True), required=False),
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The session token, in the cookie or as a bearer token."""

    target_class = "sessions_app.authentication.ProvenSession"
    name = ["sessionCookie", "sessionToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in SessionScheme.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": settings.VISITOR_COOKIE_NAME},
            {"type": "http", "scheme": "bearer", "description": "A session token, `mss1_…`."},
        ]


class PolledSessionScheme(SessionScheme):  # type: ignore[no-untyped-call]
    """The same token, whose definition is above."""

    target_class = "sessions_app.authentication.PolledSession"
    name = []


class LinkScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A signed link to one file, or the session token."""

    target_class = "uploads_app.services.links.LinkedSession"
    name = "fileLink"

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in (*SessionScheme.name, self.name)]

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "query", "name": PARAMETER}


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "sessions_app.api.service_views.ProvenService"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A service key, `msk1_…`."}


class StaffCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "audit_app.views.StaffAuthentication"
    name = "staffCookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class DescribedGenerator(SchemaGenerator):
    """Describes the endpoints before it writes their schema."""

    def get_schema(self, *args: Any, **kwargs: Any) -> Any:
        import_module(settings.ROOT_URLCONF)  # all views
        describe_all()
        return super().get_schema(*args, **kwargs)  # type: ignore[no-untyped-call]


class ProblemAutoSchema(AutoSchema):
    """Adds errors and common headers to every operation, and X-Session-UUID to changes."""

    def get_override_parameters(self) -> list[Any]:
        needs_header = self.method in ("POST", "PATCH", "PUT", "DELETE") and any(
            isinstance(proof, ProvenSession) for proof in self.view.get_authenticators()
        )
        name = [NAME_PARAMETER] if needs_header else []
        return [*super().get_override_parameters(), *name, *RESPONSE_HEADERS]

    def _get_response_bodies(
        self, direction: Literal["request", "response"] = "response"
    ) -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        bodies["default"] = self._get_response_for_code(  # type: ignore[no-untyped-call]
            OpenApiResponse(InvalidInputSerializer, "A problem document (RFC 9457)."),
            "default",
            ["application/problem+json"],
            direction,
        )
        return bodies

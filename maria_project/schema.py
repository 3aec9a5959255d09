"""How the OpenAPI schema tells of proofs, of the session header, and of problem documents."""

from typing import Any, Literal

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from sessions_app.authentication import HEADER, ProvenSession
from sessions_app.uuid_helpers import UUID_PATTERN
from uploads_app.services.links import PARAMETER

NAME_PARAMETER = OpenApiParameter(
    HEADER,
    {"type": "string", "pattern": f"^{UUID_PATTERN}$"},
    OpenApiParameter.HEADER,
    description=(
        "The session's UUID; required on a change proven by the cookie. "
        "It can only cause refusal, never select a session."
    ),
)


def _answered(name: str, about: str, **extra: Any) -> OpenApiParameter:
    """Describe a header of answers: of all of them, or of those whose statuses `response` lists."""
    kind = {"type": str, "response": True, **extra}
    return OpenApiParameter(name, location=OpenApiParameter.HEADER, description=about, **kind)


ANSWER_HEADERS = [
    _answered("X-Request-ID", "Names the request in logs and audit rows.", required=True),
    _answered("RateLimit-Policy", "The limits that were counted (an IETF draft)."),
    _answered("RateLimit", "How far they are used (an IETF draft)."),
    _answered("Retry-After", "Seconds to wait after a 429 or 503.", type=int, response=["default"]),
    _answered("WWW-Authenticate", "On 401: how to prove who asks.", response=["default"]),
]


class FieldErrorSerializer(serializers.Serializer[Any]):
    """What is wrong with one field."""

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
    """A problem document about bad input: `errors` lists what is wrong with each field."""

    def get_fields(self) -> dict[str, Any]:
        # A declared field named `errors` would hide the serializer's own property.
        return {
            **super().get_fields(),
            "errors": serializers.DictField(child=FieldErrorSerializer(many=True), required=False),
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The visitor's token: in the cookie, or as a bearer token."""

    target_class = "sessions_app.authentication.ProvenSession"
    name = ["sessionCookie", "sessionToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        return [
            {"type": "apiKey", "in": "cookie", "name": settings.VISITOR_COOKIE_NAME},
            {"type": "http", "scheme": "bearer", "description": "A token, `mss1_…`."},
        ]


class LinkScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A short link to one file, or the visitor's token."""

    target_class = "uploads_app.services.links.LinkedSession"
    name = "fileLink"

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in (*SessionScheme.name, self.name)]

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "query", "name": PARAMETER}


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A service's key."""

    target_class = "sessions_app.api.service_views.ProvenService"
    name = "serviceKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A service key, `msk1_…`."}


class StaffCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The admin's log-in."""

    target_class = "audit_app.views.StaffAuthentication"
    name = "staffCookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class ProblemAutoSchema(AutoSchema):
    """Adds to every operation its refusals and headers, and to changes the header that they need."""

    def get_override_parameters(self) -> list[Any]:
        needs_header = self.method in ("POST", "PATCH", "PUT", "DELETE") and any(
            isinstance(proof, ProvenSession) for proof in self.view.get_authenticators()
        )
        name = [NAME_PARAMETER] if needs_header else []
        return [*super().get_override_parameters(), *name, *ANSWER_HEADERS]

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

"""The endpoints for our own services, like Maria's back end. They need a service key."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from audit_app.feed import PAGE, read_feed
from common import context
from common.answers import Answer
from common.documented import documented
from common.serializers import serialize
from sessions_app import limits
from sessions_app.api.serializers import AssertionSerializer
from sessions_app.api.service_serializers import (
    FeedQuerySerializer,
    FeedSerializer,
    IntrospectionSerializer,
)
from sessions_app.api.views import GuardedViewSet
from sessions_app.credentials import read_bearer
from sessions_app.exceptions import ScopeMissing, ServiceKeyInvalid, ServiceKeyRequired
from sessions_app.models import Scope, ServiceKey
from sessions_app.services import service_keys


class ProvenService(BaseAuthentication):
    """A service, proven by its key. `request.auth` is the ServiceKey."""

    def authenticate(self, request: Request) -> tuple[None, ServiceKey] | None:
        secret = read_bearer(request._request)
        if secret is None:
            return None
        key = service_keys.find_service_key(secret)
        if key is None:
            limits.enforce(request._request, "failed_proof")
            raise ServiceKeyInvalid
        context.become(f"service:{key.name}")
        return None, key

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """Require a service key that has this view's scope."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, ServiceKey):
            raise ServiceKeyRequired
        if view.scope not in request.auth.scopes:
            raise ScopeMissing(view.scope)
        return True


class ServiceViewSet(GuardedViewSet):
    """Base of the endpoints for services: key, scope and rate limit."""

    authentication_classes = [ProvenService]
    permission_classes = [HasScope]
    scope: ClassVar[Scope]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        assert isinstance(request.auth, ServiceKey)
        limits.enforce(request._request, "service", identifier=f"key:{request.auth.pk}")


@documented(tags=["service"])
class IntrospectionViewSet(ServiceViewSet):
    """Check the assertion that a visitor's page has handed over."""

    scope = Scope.SESSIONS
    serializer_class = IntrospectionSerializer

    @documented(
        summary="Introspect an assertion",
        request=AssertionSerializer,
        responses=IntrospectionSerializer,
    )
    def introspect(self, request: Request) -> Answer:
        """Return the live session of an assertion. The call counts as the visitor's activity."""
        assertion = self.checked(AssertionSerializer)["assertion"]
        session = service_keys.introspect(assertion=assertion)
        if session is None:
            return Answer({"active": False})
        answer = {
            "active": True,
            "uuid": session.uuid,
            "identity": session.identity,
            "expires_at": session.expires_at,
        }
        return Answer(serialize(IntrospectionSerializer, answer))


@documented(tags=["service"])
class FeedViewSet(ServiceViewSet):
    """The feed of session and file events, so that a service can update its own data."""

    scope = Scope.EVENTS
    serializer_class = FeedSerializer

    @documented(
        summary="Follow the events",
        parameters=[
            OpenApiParameter("after", OpenApiTypes.INT, description="`next` of the previous page."),
            OpenApiParameter("limit", OpenApiTypes.INT, description=f"At most {PAGE}."),
        ],
        responses=FeedSerializer,
    )
    def follow(self, request: Request) -> Answer:
        """Return events in a fixed order, each exactly once for a client that continues from `next`."""
        query = FeedQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        entries = read_feed(**query.validated_data)
        following = entries[-1].position if entries else query.validated_data["after"]
        return Answer(serialize(FeedSerializer, {"results": entries, "next": following}))

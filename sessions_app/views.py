"""The session endpoints, and the view set that every visitor's endpoint builds on."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status, viewsets
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.permissions import SAFE_METHODS, AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer

from audit_app.services import record_refusal
from sessions_app import limits, services
from sessions_app.authentication import HasSession, ProvenSession, find_proven
from sessions_app.credentials import check_origin, delete_cookie, set_cookie
from sessions_app.models import Status, UserSession
from sessions_app.serializers import (
    CreateSessionSerializer,
    CurrentSessionSerializer,
    PreviousSerializer,
    ResetSerializer,
    SessionSerializer,
    SuccessorSerializer,
    ValidatedSerializer,
    ValidateSerializer,
)
from sessions_app.uuid_helpers import parse_uuid


class VisitorViewSet(viewsets.GenericViewSet[Any]):
    """What every visitor's endpoint shares: limits, origin, proof, and recorded refusals.

    `client_limits` names, for each action that needs no proof, the limit that
    its client is counted against before anything else happens;
    `session_limits` the one for a proven session, where it is not `session`.
    """

    http_method_names = ["get", "head", "post", "delete"]
    authentication_classes = [ProvenSession]
    permission_classes = [HasSession]
    client_limits: ClassVar[dict[str, str]] = {}
    session_limits: ClassVar[dict[str, str]] = {}

    @property
    def session(self) -> UserSession:
        """The session that the request has proven."""
        session = self.request.auth
        assert isinstance(session, UserSession)
        return session

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action in (None, "metadata"):  # the latter is what DRF calls OPTIONS
            raise MethodNotAllowed(str(request.method))
        if name := self.client_limits.get(self.action):
            limits.enforce(request._request, name)
        if request.method not in SAFE_METHODS:
            check_origin(request._request)
        super().initial(request, *args, **kwargs)
        if request.auth is not None:
            name = self.session_limits.get(self.action, "session")
            limits.enforce(request._request, name, self.session)

    def handle_exception(self, exc: Exception) -> Response:
        if refusal := getattr(exc, "refusal", None):
            record_refusal(refusal)
        return super().handle_exception(exc)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        limits.add_headers(getattr(request, "_request", request), response)
        return response

    def checked(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the request's body as `serializer_class` reads it; 400 if it cannot."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values


@extend_schema(tags=["sessions"])
class SessionViewSet(VisitorViewSet):
    """What a visitor can ask without a session."""

    authentication_classes = []
    permission_classes = [AllowAny]
    client_limits = {"create": "create", "validate": "validate"}
    serializer_class: type[BaseSerializer[Any]] = SessionSerializer

    @extend_schema(
        request=CreateSessionSerializer,
        responses={
            201: OpenApiResponse(SessionSerializer, "A new session; its token is in the cookie."),
            200: OpenApiResponse(SessionSerializer, "The live session that the cookie proves."),
        },
    )
    def create(self, request: Request) -> Response:
        """Begin a session, or return the one whose live cookie the request carries."""
        self.checked(CreateSessionSerializer)
        session = find_proven(request._request)
        if session is not None and session.status == Status.ACTIVE:
            return Response(SessionSerializer(session).data)
        issued = services.issue_session()
        response = Response(SessionSerializer(issued.session).data, status.HTTP_201_CREATED)
        set_cookie(response, issued.token)
        return response

    @extend_schema(request=ValidateSerializer, responses=ValidatedSerializer)
    def validate(self, request: Request) -> Response:
        """Judge a UUID's spelling; tell the state of a session only to whoever proves it."""
        uuid = parse_uuid(self.checked(ValidateSerializer)["uuid"])
        proven = find_proven(request._request)
        known = proven is not None and proven.uuid == uuid
        return Response(
            {"uuid": str(uuid), "status": proven.status if proven and known else "well_formed"}
        )


@extend_schema(tags=["sessions"])
class CurrentSessionViewSet(VisitorViewSet):
    """What a visitor can ask about the session they have proven."""

    serializer_class: type[BaseSerializer[Any]] = CurrentSessionSerializer

    def retrieve(self, request: Request) -> Response:
        """Return the proven session, what it may hold and what it holds."""
        return Response(CurrentSessionSerializer(self.session).data)

    @extend_schema(request=ResetSerializer, responses={201: SuccessorSerializer})
    def reset(self, request: Request) -> Response:
        """Leave this session, live or expired, for a fresh one; say what was lost."""
        reason = self.checked(ResetSerializer)["reason"]
        issued, lost = services.reset_session(session=self.session, reason=reason)
        previous = {"uuid": self.session.uuid, "reason": reason, "lost": lost}
        response = Response(
            {
                **SessionSerializer(issued.session).data,
                "previous": PreviousSerializer(previous).data,
            },
            status.HTTP_201_CREATED,
        )
        set_cookie(response, issued.token)
        return response

    @extend_schema(responses={204: None})
    def destroy(self, request: Request) -> Response:
        """End this session. Its files can be restored by support until their retention is over."""
        if "erase" in request.query_params:
            # A 204 would be taken for a promise that nothing is left.
            raise ValidationError({"erase": "Erasing is not offered yet: leave “erase” out."})
        services.end_session(session=self.session)
        response = Response(status=status.HTTP_204_NO_CONTENT)
        delete_cookie(response)
        return response

"""The visitor's session endpoints, and the base classes of all endpoints except the staff's."""

from typing import Any, ClassVar

from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import mixins, status, viewsets
from rest_framework.exceptions import MethodNotAllowed, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import SAFE_METHODS, AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, BooleanField, Serializer

from audit_app.models import AuditLog, AuditQuerySet
from common.answers import Answer
from common.documented import LateSchema, documented, inherited
from common.folding import ascii_lower
from common.json_stream import stream_json
from common.pagination import StrictCursorPagination
from common.serializers import serialize, validated
from sessions_app import limits
from sessions_app.api.negotiation import JsonNegotiation
from sessions_app.api.retry_keys import RETRY_PARAMETER, read_retry_key
from sessions_app.api.serializers import (
    ActivitySerializer,
    CodeSentSerializer,
    CodeSerializer,
    CreateSessionSerializer,
    CurrentSessionSerializer,
    IdentifySerializer,
    IssuedAssertionSerializer,
    PreviousSerializer,
    RecoverSerializer,
    ResetSerializer,
    SessionSerializer,
    SuccessorSerializer,
    ValidatedSerializer,
    ValidateSerializer,
)
from sessions_app.authentication import HasSession, ProvenSession, find_proven
from sessions_app.credentials import check_origin, delete_cookie, hand_over
from sessions_app.models import SessionStatus, UserSession
from sessions_app.proofs import Proof
from sessions_app.services import identity, privacy, recovery, service_keys, sessions
from sessions_app.uuid_helpers import parse_uuid


class GuardedViewSet(viewsets.GenericViewSet[Any]):
    """Base of all endpoints: known methods only, rate-limit headers."""

    http_method_names = ["get", "head", "post", "patch", "delete"]
    content_negotiation_class: type[BaseContentNegotiation] = JsonNegotiation
    schema = LateSchema()

    @property
    def allowed_methods(self) -> list[str]:
        return [name.upper() for name in self.http_method_names if name in self.action_map]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action in (None, "metadata"):  # the latter is what DRF calls OPTIONS
            raise MethodNotAllowed(str(request.method))
        super().initial(request, *args, **kwargs)

    def perform_authentication(self, request: Request) -> None:
        # Without a class there is nobody to find. DRF would make an anonymous user.
        if self.authentication_classes:
            super().perform_authentication(request)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        limits.add_headers(getattr(request, "_request", request), response)
        return response

    def checked(self, serializer_class: type[Serializer[Any]]) -> dict[str, Any]:
        """Return the validated body; raises ValidationError."""
        return validated(serializer_class, self.request.data)


class VisitorViewSet(GuardedViewSet):
    """Base of the visitor's endpoints: rate limits, origin and proof.

    `client_limits` maps an action without proof to the limit of its client,
    which is counted first. `session_limits` maps an action to the limit of its
    session; the default is `session`. `also_accepted` maps an action to the
    states besides active in which it accepts a session. `described` holds the
    actions that answer with what other tables have on the session.
    """

    authentication_classes = [ProvenSession]
    permission_classes = [HasSession]
    client_limits: ClassVar[dict[str, str]] = {}
    session_limits: ClassVar[dict[str, str]] = {}
    also_accepted: ClassVar[dict[str, frozenset[SessionStatus]]] = {}
    described: ClassVar[frozenset[str]] = frozenset()

    @property
    def proof(self) -> Proof:
        proof = self.request.auth
        assert isinstance(proof, Proof)
        return proof

    @property
    def session(self) -> UserSession:
        return self.proof.session

    def get_authenticate_header(self, request: Request) -> str:
        """Name the scheme of every 401; without it DRF answers 403 where no proof is required."""
        return ProvenSession().authenticate_header(request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action and (name := self.client_limits.get(self.action)):
            limits.enforce(request._request, name)
        if self.action and request.method not in SAFE_METHODS:
            check_origin(request._request)
        super().initial(request, *args, **kwargs)
        if self.authentication_classes and request.auth is not None:
            name = self.session_limits.get(self.action, "session")
            limits.enforce(request._request, name, self.session)


@documented(tags=["sessions"])
class SessionViewSet(VisitorViewSet):
    """Endpoints that need no session."""

    authentication_classes = []
    permission_classes = [AllowAny]
    client_limits = {"create": "create", "validate": "validate", "recover": "recover"}
    serializer_class: type[BaseSerializer[Any]] = SessionSerializer

    @documented(
        summary="Create a session",
        request=CreateSessionSerializer,
        responses={
            201: OpenApiResponse(
                SessionSerializer, "A new session; its token is in the cookie or in `token`."
            ),
            200: OpenApiResponse(SessionSerializer, "The live session that the request proves."),
        },
    )
    def create(self, request: Request) -> Answer:
        """Create a session, or return the live one that the request proves."""
        carrier = self.checked(CreateSessionSerializer)["credential"]
        proof = find_proven(request._request)
        if proof is not None and proof.session.status == SessionStatus.ACTIVE:
            return Answer(serialize(SessionSerializer, proof.session))
        issued = sessions.issue_session(carrier=carrier)
        answer = serialize(SessionSerializer, issued.session)
        return hand_over(answer, carrier, issued.token, issued.session, status.HTTP_201_CREATED)

    @documented(
        summary="Validate a UUID", request=ValidateSerializer, responses=ValidatedSerializer
    )
    def validate(self, request: Request) -> Answer:
        """Check a UUID's spelling. Only a request that proves the session learns its state."""
        uuid = parse_uuid(self.checked(ValidateSerializer)["uuid"])
        proof = find_proven(request._request)
        is_proven = proof is not None and proof.session.uuid == uuid
        state = proof.session.status if proof and is_proven else "well_formed"
        return Answer({"uuid": str(uuid), "status": state})

    @documented(
        summary="Recover a session",
        parameters=[RETRY_PARAMETER],
        request=RecoverSerializer,
        responses=CurrentSessionSerializer,
    )
    def recover(self, request: Request) -> Answer:
        """Bring a session to this device with a recovery code, which works only once.

        With the same `Idempotency-Key` it works again for 10 minutes, until the new token is used.
        """
        values = self.checked(RecoverSerializer)
        issued = recovery.recover_session(code=values["code"], retry_key=read_retry_key(request))
        answer = serialize(CurrentSessionSerializer, issued.session)
        return hand_over(answer, values["credential"], issued.token, issued.session)


@documented(tags=["sessions"])
class CurrentSessionViewSet(VisitorViewSet):
    """The session that the request proves."""

    serializer_class: type[BaseSerializer[Any]] = CurrentSessionSerializer
    session_limits = {"export": "export"}
    described = frozenset({"retrieve"})
    also_accepted = {
        "destroy": frozenset({SessionStatus.EXPIRED}),  # to be erased
        # A reset can be repeated with its key.
        "reset": frozenset({SessionStatus.EXPIRED, SessionStatus.RESET}),
    }

    @documented(summary="Get the session")
    def retrieve(self, request: Request) -> Answer:
        """Return the session with its quota, contact data and consent."""
        return Answer(serialize(CurrentSessionSerializer, self.session))

    @documented(
        summary="Store contact data and consent",
        request=IdentifySerializer,
        responses=CurrentSessionSerializer,
    )
    def partial_update(self, request: Request) -> Answer:
        """Store name, e-mail address and consent. Adding contact data rotates the token."""
        values = self.checked(IdentifySerializer)
        consent = values.pop("consent", {})
        return self._identified(
            identity.identify_session(proof=self.proof, contact=values, consent=consent)
        )

    @documented(summary="Send an e-mail code", request=None, responses={202: CodeSentSerializer})
    def send_code(self, request: Request) -> Answer:
        """Send a code of six digits to the session's e-mail address."""
        limits.enforce(
            request._request, "email", self.session, identifier=ascii_lower(self.session.email)
        )
        sent = identity.send_code(session=self.session)
        next_in = int(identity.SEND_INTERVAL.total_seconds())
        answer = serialize(CodeSentSerializer, {"expires_at": sent.expires_at, "next_in": next_in})
        return Answer(answer, status.HTTP_202_ACCEPTED)

    @documented(
        summary="Verify an e-mail code", request=CodeSerializer, responses=CurrentSessionSerializer
    )
    def verify_code(self, request: Request) -> Answer:
        """Complete the session with the six digits. Repeating the same code changes nothing."""
        code = self.checked(CodeSerializer)["code"]
        return self._identified(identity.verify_code(proof=self.proof, code=code))

    @documented(
        summary="Reset the session",
        parameters=[RETRY_PARAMETER],
        request=ResetSerializer,
        responses={201: SuccessorSerializer},
    )
    def reset(self, request: Request) -> Answer:
        """Replace this session, live or expired, by a new one; return it and the lost files.

        Repeated with the same `Idempotency-Key` within 10 minutes, before the new session was
        used, it returns the same new session. `not_me` and `mismatch` cannot be repeated.
        """
        reason = self.checked(ResetSerializer)["reason"]
        issued, lost = sessions.reset_session(
            proof=self.proof, reason=reason, retry_key=read_retry_key(request)
        )
        previous = {"uuid": self.session.uuid, "reason": reason, "lost": lost}
        answer = {
            **serialize(SessionSerializer, issued.session),
            "previous": serialize(PreviousSerializer, previous),
        }
        created = status.HTTP_201_CREATED
        return hand_over(answer, self.proof.carrier, issued.token, issued.session, created)

    @documented(
        summary="End or erase the session",
        parameters=[
            OpenApiParameter(
                "erase", OpenApiTypes.BOOL, description="Also remove personal data and files."
            )
        ],
        responses={204: None},
    )
    def destroy(self, request: Request) -> Response:
        """End this session. Unless it is erased, support can restore its files until their retention ends."""
        if self._erase():
            privacy.erase_session(session=self.session, reason="visitor")
        else:
            sessions.end_session(session=self.session)
        response = Response(status=status.HTTP_204_NO_CONTENT)
        delete_cookie(response)
        return response

    @documented(summary="Issue an assertion", request=None, responses=IssuedAssertionSerializer)
    def assertion(self, request: Request) -> Answer:
        """Return a signed text by which the agent's back end can trust this session."""
        issued = {
            "assertion": service_keys.assert_session(session=self.session),
            "expires_at": timezone.now() + service_keys.ASSERTION_LIFETIME,
        }
        return Answer(serialize(IssuedAssertionSerializer, issued))

    @documented(
        summary="Export the session", responses={(200, "application/json"): OpenApiTypes.OBJECT}
    )
    def export(self, request: Request) -> StreamingHttpResponse:
        """Return all stored data about this session as one JSON document."""
        is_sent = request.method == "GET"  # HEAD exports nothing, and records nothing.
        return StreamingHttpResponse(
            stream_json(privacy.export_session(session=self.session)) if is_sent else (),
            content_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="maria-session.json"'},
        )

    def _identified(self, identified: identity.IdentityChange) -> Answer:
        answer = serialize(CurrentSessionSerializer, identified.session)
        if not identified.token:
            return Answer(answer)
        return hand_over(answer, self.proof.carrier, identified.token, identified.session)

    def _erase(self) -> bool:
        try:
            return bool(BooleanField().run_validation(self.request.query_params.get("erase", "no")))
        except ValidationError as error:
            raise ValidationError({"erase": error.detail}) from error


class ActivityPagination(StrictCursorPagination):
    """Newest first. A cursor stays correct while new events arrive."""

    ordering = "-id"
    page_size = 100


@inherited(list="List the session's events")
@documented(tags=["sessions"])
class ActivityViewSet(mixins.ListModelMixin, VisitorViewSet):
    """The events of the proven session, for its visitor."""

    queryset = AuditLog.objects.none()
    serializer_class = ActivitySerializer
    pagination_class = ActivityPagination

    def get_queryset(self) -> AuditQuerySet:
        return privacy.history(session=self.session)

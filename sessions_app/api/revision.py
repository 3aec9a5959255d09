"""The revision of a session, for which open pages ask. Asking is not an activity."""

from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.crypto import salted_hmac
from django.utils.http import quote_etag
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.request import Request

from common.answers import Answer
from common.documented import documented
from sessions_app.api.serializers import RevisionSerializer
from sessions_app.api.views import VisitorViewSet
from sessions_app.authentication import PolledSession
from sessions_app.models import UserSession
from sessions_app.proofs import ProofWithNews
from sessions_app.signals import describe

# All that `GET sessions/current/` answers and that can change, except for the times of activity.
_FIELDS = ("name", "email", "email_proven", "completed_at", "extended_until")
_DIGITS = 32


@documented(tags=["sessions"])
class RevisionViewSet(VisitorViewSet):
    """What an open page asks every few seconds. It reads one statement and writes nothing."""

    authentication_classes = [PolledSession]
    session_limits = {"retrieve": "revision"}

    @documented(
        summary="Get the revision",
        parameters=[
            OpenApiParameter(
                "If-None-Match",
                location=OpenApiParameter.HEADER,
                description="The ETag of the last answer.",
            ),
            OpenApiParameter(
                "ETag",
                location=OpenApiParameter.HEADER,
                response=[200, 304],
                description="The revision in quotes.",
            ),
        ],
        responses={
            200: RevisionSerializer,
            304: OpenApiResponse(description="Nothing has changed since that answer."),
        },
    )
    def retrieve(self, request: Request) -> HttpResponseBase:
        """Say whether the session or its files have changed. This does not extend the session."""
        proof = request.auth
        assert isinstance(proof, ProofWithNews)
        revision = _revision(proof.session, proof.files)
        etag = quote_etag(revision)
        files = [{"id": str(pk), "status": status} for pk, status in proof.files]
        response = Answer({"revision": revision, "files": files}, headers={"ETag": etag})
        return get_conditional_response(request._request, etag=etag, response=response) or response


def _revision(session: UserSession, *shown: object) -> str:
    """Return a keyed hash, because logs may have it and it covers a name and an address."""
    state = [getattr(session, name) for name in _FIELDS]
    answers = sorted(set(session.answers))
    text = repr((session.pk, state, describe(session, "used"), answers, shown))
    return salted_hmac("sessions_app.revision", text, algorithm="sha256").hexdigest()[:_DIGITS]

"""Short links to files, for clients whose token a browser's download cannot send."""

from datetime import timedelta

from django.core import signing
from django.utils import timezone
from rest_framework.request import Request

from sessions_app.authentication import ProvenSession, find_proven
from sessions_app.models import SessionStatus, UserSession
from sessions_app.proofs import Proof
from uploads_app.exceptions import LinkInvalid
from uploads_app.models import UploadedFile

LIFETIME = timedelta(seconds=60)
PARAMETER = "link"
_SALT = "uploads_app.link"


def sign_link(*, upload: UploadedFile) -> str:
    """Return a signed text that opens one file for 60 s, while its session is live."""
    return signing.dumps([str(upload.session_id), str(upload.pk)], salt=_SALT)


class LinkedSession(ProvenSession):
    """Authenticate by the session token or, for one file, by a short link."""

    def authenticate(self, request: Request) -> tuple[None, Proof] | None:
        link = request.query_params.get(PARAMETER)
        if link is None:
            return super().authenticate(request)
        session = _session_of(link, request)
        if session is None or _proves_another(request, session):
            raise LinkInvalid
        # Links are for clients that carry their token as a bearer.
        return None, Proof(session, "bearer", None, timezone.now())


def _proves_another(request: Request, session: UserSession) -> bool:
    """Say whether the request also proves another live session."""
    proof = find_proven(request._request)
    proven = proof.session if proof else None
    return proven is not None and proven.status == SessionStatus.ACTIVE and proven.pk != session.pk


def _session_of(link: str, request: Request) -> UserSession | None:
    try:
        session_uuid, upload_id = signing.loads(link, salt=_SALT, max_age=LIFETIME)
    except signing.BadSignature:
        return None
    if upload_id != request.parser_context["kwargs"]["pk"]:
        return None
    return UserSession.objects.live().filter(pk=session_uuid).first()

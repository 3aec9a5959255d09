"""The certificate of erasure: a printable page about what was deleted and what stays.

It is built from the audit log and the remaining rows. It contains no personal
value, so staff can give it to the visitor. The erasure of a person is one
certificate, even if it took several requests.
"""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, Sum
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse

from audit_app.adminkit import disclosure
from audit_app.adminkit.actions import RowPage
from audit_app.models import AuditLog, AuditQuerySet
from sessions_app import events
from sessions_app.models import SessionStatus, UserSession
from sessions_app.services import privacy
from uploads_app.models import UploadedFile, UploadStatus

SHOWN = 1000
REQUESTS = 50


@dataclass(frozen=True)
class Erased:
    """The erasure of one session: who requested it and when, and the files and bytes deleted.

    `finished` is None until it is complete. `left` is the number of files whose
    object may still exist.
    """

    session: UserSession
    who: str
    requested_at: datetime
    finished: datetime | None
    files: int
    bytes: int
    left: int


def erased_with(session: UserSession) -> list[Erased]:
    """Return the erasures of a session and of all erased with it; empty if it is not erased."""
    own = _requests(session_uuid=session.uuid).order_by("-id").first()
    if own is None:
        return []
    requests: Iterable[AuditLog] = [own]
    if person := _person(own):
        requests = _requests(_of_person(person)).order_by("-id")[:SHOWN]
    first = {log.session_uuid: log for log in requests}
    sessions = UserSession.objects.in_bulk([pk for pk in first if pk])
    deleted, left = _deleted(sessions), _left(sessions)
    return [
        Erased(
            one,
            privacy.who(first[pk]),
            first[pk].occurred_at,
            one.erased_at,
            *deleted.get(pk, (0, 0)),
            left.get(pk, 0),
        )
        for pk, one in sessions.items()
        if one.status == SessionStatus.ERASED
    ]


def _requests(*conditions: Q, **fields: Any) -> AuditQuerySet:
    erasures = AuditLog.objects.filter(event_type=events.ERASURE_REQUESTED.name)
    return erasures.filter(*conditions, **fields)


def _person(request: AuditLog) -> uuid.UUID | None:
    """Return the session from whose person page an erasure was requested."""
    if not request.request_id:
        return None
    requested = AuditLog.objects.filter(
        event_type=events.PERSON_ERASURE_REQUESTED.name,
        request_id=request.request_id,
        actor=request.actor,
    )
    return requested.values_list("session_uuid", flat=True).first()


def _of_person(session_uuid: uuid.UUID) -> Q:
    """Return the condition that an erasure was part of a person's erasure.

    A request is identified by its id and its actor, because behind a proxy the
    id comes from outside.
    """
    requested = AuditLog.objects.filter(
        session_uuid=session_uuid, event_type=events.PERSON_ERASURE_REQUESTED.name
    )
    parts = Q(pk=None)
    for request_id, actor in requested.values_list("request_id", "actor")[:REQUESTS]:
        parts |= Q(request_id=request_id, actor=actor)
    return parts


def _deleted(sessions: Iterable[uuid.UUID]) -> dict[uuid.UUID, tuple[int, int]]:
    """Return each session's number of erased files, and their bytes."""
    files = UploadedFile.objects.filter(
        session__in=sessions, status=UploadStatus.DELETED, delete_reason="erased"
    )
    counted = files.order_by().values_list("session").annotate(Count("pk"), Sum("size"))
    return {session_uuid: (count, size) for session_uuid, count, size in counted}


def _left(sessions: Iterable[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Return each session's number of files whose object may still exist."""
    files = UploadedFile.objects.unerased().filter(session__in=sessions)
    return dict(files.order_by().values_list("session").annotate(Count("pk")))


def _show(request: HttpRequest, session: UserSession, context: dict[str, Any]) -> HttpResponseBase:
    erased = erased_with(session)
    if not erased:
        raise Http404
    disclosure.record_view(session_uuids=[one.session.uuid for one in erased], page="certificate")
    context |= {
        "title": "Certificate of erasure",
        "erased": erased,
        "unfinished": sum(one.finished is None for one in erased),
        "removed": privacy.REMOVED,
        "kept": privacy.kept(),
    }
    return TemplateResponse(request, "backoffice/certificate.html", context)


PAGE = RowPage(
    name="certificate",
    permission="sessions_app.view_usersession",
    title="Certificate of erasure",
    fits=lambda session: session.status == SessionStatus.ERASED,
    show=_show,
)

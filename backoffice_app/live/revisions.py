"""Revisions of live pages: an ETag that changes when the page does, from one or two statements.

A revision also changes with each minute: pages show how long ago something was. It is a keyed
hash, because it covers masked values.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import Expression, Max, Min, QuerySet, Sum, TextField, Value
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.http import quote_etag
from django_q.models import OrmQ, Schedule, Success

from audit_app.models import AuditLog
from backoffice_app.dashboard.counting import HOUR, hour_of
from backoffice_app.models import HostsState, HourlyFigure
from backoffice_app.session_sections import SHOWN
from backoffice_app.timeline import PAGE
from common.worker import HEARTBEAT_FUNC
from sessions_app.models import UserSession
from uploads_app.models import CleanupRun, StoreState, UploadedFile

_SESSION = [
    *(field.attname for field in UserSession._meta.concrete_fields),
    "predecessor__status",
    "successor__status",
    *(
        f"uploads__{name}"
        for name in ("id", "status", "name", "size", "inspection", "deleted_at", "delete_reason")
    ),
]
# A cleanup run may end, or be found dead, after others have begun.
_RUNS = 5

Part = QuerySet[Any, dict[str, Any]]


def of_attention() -> str:
    """Return the revision of what needs attention."""
    return _revision(_read(_attention()))


def of_system() -> str:
    """Return the revision of the dashboard and of the page of the queue."""
    return _revision(_read([*_attention(), *_figures()]))


def of_session(session_uuid: uuid.UUID, *shown: object) -> str | None:
    """Return the revision of a session's page, None without a session.

    `shown` is what the page of this reader also depends on.
    """
    rows = UserSession.objects.filter(pk=session_uuid).order_by("-uploads__created_at")
    found = list(rows.values_list(*_SESSION)[: SHOWN + 1])
    if not found:
        return None
    return _revision(found, _read([*_attention(), _events(session_uuid)]), shown)


def _revision(*parts: object) -> str:
    text = repr((timezone.now().replace(second=0, microsecond=0), parts))
    return quote_etag(salted_hmac("backoffice_app.live", text, algorithm="sha256").hexdigest())


def _read(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """Read all parts by one statement."""
    first, *rest = parts
    found = first.union(*rest, all=True)
    return sorted(found, key=lambda row: row["part"])


def _part(name: str, rows: QuerySet[Any], state: Expression) -> Part:
    part: Part = rows.order_by().values(part=Value(name)).annotate(state=Cast(state, TextField()))
    return part


def _attention() -> list[Part]:
    newest = CleanupRun.objects.order_by("-pk").values("pk")[:_RUNS]
    runs = CleanupRun.objects.filter(pk__in=newest)
    return [
        _part("heartbeat", Success.objects.filter(func=HEARTBEAT_FUNC), Max("stopped")),
        _part("cleanup began", runs, Max("pk")),
        _part("cleanup ended", runs, Max("finished_at")),
        _part("alert", StoreState.objects.all(), Max("alert_since")),
        _part("uploads refused", StoreState.objects.all(), Max("refused_at")),
        _part("hosts differ", HostsState.objects.all(), Max("since")),
        _part("inspection", UploadedFile.objects.uninspected(), Min("stored_at")),
    ]


def _figures() -> list[Part]:
    recent = HourlyFigure.objects.filter(hour__gte=hour_of(timezone.now()) - HOUR)
    return [
        _part("figures", recent, Max("counted_at")),
        _part("queue", OrmQ.objects.all(), Max("pk")),
        _part("tasks", Success.objects.all(), Max("stopped")),
        _part("schedules", Schedule.objects.all(), Min("next_run")),
    ]


def _events(session_uuid: uuid.UUID) -> Part:
    # An event can commit after a later one: the newest alone does not show that.
    shown = AuditLog.objects.about_session(session_uuid).values("pk")[: PAGE + 1]
    return _part("events", AuditLog.objects.filter(pk__in=shown), Sum("pk"))

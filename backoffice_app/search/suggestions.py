"""Matches that the search box offers while somebody types a support code, an id, a hash or a key.

Names, addresses and file names have none: they would reveal masked values letter
by letter. So nothing here reads a personal value, and nothing is recorded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, JsonResponse
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from audit_app.models import AuditLog
from backoffice_app.search import starts
from backoffice_app.search.lookups import view_permission
from backoffice_app.search.opening import page_of
from backoffice_app.search.results import may_search
from backoffice_app.search.terms import LONGEST_TERM, TermKind, is_suggested, kind_of, readable
from sessions_app.models import UserSession
from uploads_app.models import UploadedFile

# Of each model, and of all.
OFFERED = 8


@dataclass(frozen=True)
class Suggestion:
    """A row: what it is, in which state, and the address of its page."""

    label: str
    note: str
    url: str


@sensitive_post_parameters("q")
@require_POST
def suggestions_view(request: HttpRequest) -> JsonResponse:
    """Return the matches of a posted term; none for a term that may be personal."""
    if not may_search(request.user):
        raise PermissionDenied
    term = readable(request.POST.get("q", "")[: LONGEST_TERM + 1])
    found = suggestions(term, request.user) if is_suggested(term) else []
    return JsonResponse({"suggestions": [asdict(one) for one in found]})


def suggestions(term: str, user: Any) -> list[Suggestion]:
    rows = {row.pk: row for row in _found(term, user)}
    return [_suggestion(row) for row in list(rows.values())[:OFFERED]]


def _found(term: str, user: Any) -> Iterator[Model]:
    """Yield the matching rows of the models that the user may view."""
    digits = starts.digits_of(term)
    if user.has_perm(view_permission(UserSession)):
        yield from _sessions(term, digits)
    if user.has_perm(view_permission(UploadedFile)):
        yield from _files(term, digits)
    if digits and user.has_perm(view_permission(AuditLog)):
        yield from starts.by_uuid(AuditLog.objects.all(), "event_id", digits)[:OFFERED]
        yield from starts.events_of_requests(digits, OFFERED)


def _sessions(term: str, digits: str) -> Iterable[Model]:
    if digits:
        return starts.by_uuid(UserSession.objects.all(), "uuid", digits)[:OFFERED]
    is_key = kind_of(term) is TermKind.KEY
    return UserSession.objects.none() if is_key else starts.by_code(term)[:OFFERED]


def _files(term: str, digits: str) -> Iterator[Model]:
    files: QuerySet[UploadedFile] = UploadedFile.objects.select_related("session")
    if kind_of(term) is TermKind.KEY:
        yield from files.filter(key=term)
    elif digits:
        yield from starts.by_uuid(files, "id", digits)[:OFFERED]
        yield from starts.by_hash(files, digits)[:OFFERED]


def _suggestion(row: Any) -> Suggestion:
    match row:
        case UserSession():
            label, note = row.support_code, f"session, {row.get_status_display().lower()}"
        case UploadedFile():
            state = row.get_status_display().lower()
            label, note = str(row), f"file of {row.session.support_code}, {state}"
        case _:
            at = date_format(localtime(row.occurred_at), "Y-m-d H:i:s")
            label, note = row.event_type, f"event, {at}"
    return Suggestion(label, note, page_of(row))

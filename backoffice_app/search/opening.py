"""The page that a search opens at once, because the term identifies it."""

from django.contrib import messages
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from audit_app.models import AuditLog
from backoffice_app.search.lookups import Hit
from backoffice_app.search.results import SearchResult
from backoffice_app.search.terms import TermKind, has_digit


def page_to_open(request: HttpRequest, term: str, answer: SearchResult) -> str:
    """Return the address of the only page that the term can mean; empty if staff must choose.

    A similar code opens the only session that has one, with a warning. A request
    opens its events.
    """
    hits = answer.hits
    if len(hits) == 1 and _is_similar_code(hits[0], term, answer.kind):
        messages.warning(request, _warning(hits[0]))
        return page_of(hits[0].row)
    if not hits or not all(hit.is_exact for hit in hits):
        return ""
    if len(hits) == 1:
        return page_of(hits[0].row)
    events = [hit.row for hit in hits if isinstance(hit.row, AuditLog)]
    return _events_of(events[0].request_id) if events else ""


def _is_similar_code(hit: Hit, term: str, kind: TermKind) -> bool:
    # A term without a digit may be a name, unless it is in the groups of a code.
    return hit.is_near and (kind is TermKind.CODE or has_digit(term))


def _warning(hit: Hit) -> str:
    return (
        f"No session has the code that you typed. This session has a {hit.why}. Ask for the code "
        "again, symbol by symbol, and compare before you act."
    )


def page_of(row: Model) -> str:
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])


def _events_of(request_id: str) -> str:
    page = reverse("admin:audit_app_auditlog_changelist")
    return f"{page}?{urlencode({'request': request_id})}"

"""The search page of the admin."""

from collections.abc import Iterable

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters

from audit_app.events import STAFF_SEARCHED
from audit_app.services import record
from backoffice_app.search.lookups import CANDIDATES, SHOWN, Lookup
from backoffice_app.search.results import SearchResult, may_search, search
from backoffice_app.search.terms import LONGEST_TERM, TermKind, kind_of, readable


@sensitive_post_parameters("q")
def search_view(request: HttpRequest) -> HttpResponse:
    """Show the rows that match a term.

    Terms are sent by POST, because URLs end up in logs and browser histories.
    A term without personal data may also be in a link, as `?q=`.
    """
    if not may_search(request.user):
        raise PermissionDenied
    typed = request.POST.get("q", "") if request.method == "POST" else request.GET.get("q", "")
    term = readable(typed)
    is_too_long = len(typed) > LONGEST_TERM
    is_misplaced = request.method != "POST" and bool(term) and not kind_of(term).is_impersonal
    answer = None
    if term and not is_too_long and not is_misplaced:
        answer = search(term, request.user)
        _record_search(answer)
    return TemplateResponse(
        request,
        "backoffice/search.html",
        {
            **admin.site.each_context(request),
            "title": "Search",
            "term": "" if is_misplaced else term,
            "answer": answer,
            "searched_titles": _titles(answer.searched) if answer else [],
            "forbidden_titles": _titles(answer.forbidden) if answer else [],
            "is_certain": answer and answer.kind is not TermKind.ANYTHING,
            "is_only": answer and answer.found == 1,
            "is_too_long": is_too_long,
            "is_misplaced": is_misplaced,
            "shown": SHOWN,
            "candidates": CANDIDATES,
            "longest": LONGEST_TERM,
        },
        status=400 if is_misplaced else 200,
    )


def _titles(lookups: Iterable[Lookup]) -> list[str]:
    return list(dict.fromkeys(lookup.title for lookup in lookups))


def _record_search(answer: SearchResult) -> None:
    """Record a search by personal values: their kinds and the number of rows found."""
    if kinds := answer.personal_kinds:
        with transaction.atomic():
            record(STAFF_SEARCHED, kind=kinds, found=answer.found)

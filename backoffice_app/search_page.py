"""The page behind the search box of the back office."""

from collections.abc import Iterable

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters

from audit_app.events import STAFF_SEARCHED
from audit_app.services import record
from backoffice_app import search
from backoffice_app.search import Lookup, SearchResult, TermKind


@sensitive_post_parameters("q")
def find_view(request: HttpRequest) -> HttpResponse:
    """Show what a term finds.

    Terms arrive by POST, for addresses end in logs and histories; one that
    tells nothing of a person may also stand in a link, as `?q=`.
    """
    if not search.may_find(request.user):
        raise PermissionDenied
    typed = request.POST.get("q", "") if request.method == "POST" else request.GET.get("q", "")
    term = search.readable(typed)
    is_too_long = len(typed) > search.LONGEST_TERM
    is_misplaced = (
        request.method != "POST" and bool(term) and not search.form_of(term).is_impersonal
    )
    answer = None
    if term and not is_too_long and not is_misplaced:
        answer = search.find(term, request.user)
        _note_search(answer)
    return TemplateResponse(
        request,
        "backoffice/search.html",
        {
            **admin.site.each_context(request),
            "title": "Find",
            "term": "" if is_misplaced else term,
            "answer": answer,
            "searched_titles": _titles(answer.searched) if answer else [],
            "forbidden_to": _titles(answer.forbidden) if answer else [],
            "is_certain": answer and answer.form is not TermKind.ANYTHING,
            "is_only": answer and answer.found == 1,
            "is_too_long": is_too_long,
            "is_misplaced": is_misplaced,
            "shown": search.SHOWN,
            "candidates": search.CANDIDATES,
            "longest": search.LONGEST_TERM,
        },
        status=400 if is_misplaced else 200,
    )


def _titles(lookups: Iterable[Lookup]) -> list[str]:
    return list(dict.fromkeys(lookup.title for lookup in lookups))


def _note_search(answer: SearchResult) -> None:
    """Record a search by something personal: for what kind of it, and how much it found."""
    if kinds := answer.personal_kinds:
        with transaction.atomic():
            record(STAFF_SEARCHED, kind=kinds, found=answer.found)

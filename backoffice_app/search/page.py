"""The search page of the admin."""

from collections.abc import Iterable
from http import HTTPStatus
from math import ceil
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_safe

from audit_app.events import RATE_LIMIT_EXCEEDED, STAFF_SEARCHED
from audit_app.services import Refusal, record, record_refusal
from backoffice_app.search import kept
from backoffice_app.search.following import from_results
from backoffice_app.search.kept import KeptSearch
from backoffice_app.search.lookups import CANDIDATES, SHOWN, Lookup
from backoffice_app.search.opening import page_to_open
from backoffice_app.search.results import SearchResult, is_personal, may_search, search
from backoffice_app.search.terms import LONGEST_TERM, TermKind, kind_of, readable
from common import context
from sessions_app import limits
from sessions_app.exceptions import RateLimited


@sensitive_post_parameters("q")
def search_view(request: HttpRequest) -> HttpResponse:
    """Search for a posted term, and redirect to the results or to the page that it identifies.

    Terms are sent by POST, because URLs end up in logs and browser histories.
    A term without personal data may also be in a link, as `?q=`.
    """
    _check_permission(request)
    if request.method == "POST":
        return _search(request, request.POST.get("q", "")[: LONGEST_TERM + 1])
    typed = request.GET.get("q", "")
    term = readable(typed)
    if term and not kind_of(term).is_impersonal:
        return _page(request, is_misplaced=True, status=HTTPStatus.BAD_REQUEST)
    return _results(request, typed)


@require_safe
def results_view(request: HttpRequest, key: str) -> HttpResponse:
    """Show the results of a search that this staff session keeps."""
    _check_permission(request)
    search_kept = kept.read(request.session, key)
    if search_kept is None:
        return _page(request, is_past=True, status=HTTPStatus.GONE)
    return _results(request, search_kept.typed, key=key, recorded=search_kept.recorded)


def _check_permission(request: HttpRequest) -> None:
    if not may_search(request.user):
        raise PermissionDenied


def _search(request: HttpRequest, typed: str) -> HttpResponse:
    """Search, record the search and keep its term for the results' address."""
    term, recorded = readable(typed), ""
    if len(typed) <= LONGEST_TERM:
        if not term:
            return redirect("admin:find")
        if limit := _limit_exceeded(request, term):
            return _limited(request, limit)
        answer = search(term, request.user)
        _record_search(answer)
        if page := page_to_open(request, term, answer):
            return redirect(page)
        recorded = answer.personal_kinds
    return redirect("admin:find_results", kept.keep(request.session, KeptSearch(typed, recorded)))


def _limit_exceeded(request: HttpRequest, term: str) -> RateLimited | None:
    """Count a search that reads personal values against the limit of this staff member."""
    if not is_personal(term, request.user):
        return None
    try:
        limits.enforce(request, "staff_search", identifier=context.current().actor)
    except RateLimited as error:
        return error
    return None


def _limited(request: HttpRequest, error: RateLimited) -> TemplateResponse:
    kind = f"{error.policy} {request.user.pk}"
    record_refusal(Refusal(RATE_LIMIT_EXCEEDED, kind, details={"limit": error.policy}))
    minutes = ceil(error.wait / 60)
    response = _page(request, limited_minutes=minutes, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(error.wait)
    return response


def _results(
    request: HttpRequest, typed: str, *, key: str = "", recorded: str = ""
) -> TemplateResponse:
    term = readable(typed)
    if len(typed) > LONGEST_TERM:
        return _page(request, term=term, is_too_long=True)
    if not term:
        return _page(request)
    answer = search(term, request.user)
    if answer.personal_kinds != recorded:
        # The permissions of this staff member have changed since the search.
        _record_search(answer)
        kept.replace(request.session, key, KeptSearch(typed, answer.personal_kinds))
    return _page(
        request,
        term=term,
        answer=answer,
        from_results="" if answer.found == 1 else from_results(key),
        searched_titles=_titles(answer.searched),
        forbidden_titles=_titles(answer.forbidden),
        is_certain=answer.kind is not TermKind.ANYTHING,
        is_only=answer.found == 1,
    )


def _page(request: HttpRequest, *, status: int = HTTPStatus.OK, **values: Any) -> TemplateResponse:
    shared = {
        **admin.site.each_context(request),
        "title": "Search",
        "shown": SHOWN,
        "candidates": CANDIDATES,
        "longest": LONGEST_TERM,
    }
    return TemplateResponse(request, "backoffice/search.html", shared | values, status=status)


def _titles(lookups: Iterable[Lookup]) -> list[str]:
    return list(dict.fromkeys(lookup.title for lookup in lookups))


def _record_search(answer: SearchResult) -> None:
    """Record a search by personal values: their kinds and the number of rows found."""
    if kinds := answer.personal_kinds:
        with transaction.atomic():
            record(STAFF_SEARCHED, kind=kinds, found=answer.found)

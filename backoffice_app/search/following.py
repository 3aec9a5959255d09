"""The result after the page that staff opened from results, so that they need not go back."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from backoffice_app.search import kept
from backoffice_app.search.opening import page_of
from backoffice_app.search.results import search
from backoffice_app.search.terms import readable

# The parameter with the key of the results.
FROM = "from"


@dataclass(frozen=True)
class ResultPlace:
    """Where a page stands among results, and the addresses of the results and of the next one."""

    place: int
    count: int
    results: str
    following: str


def from_results(key: str) -> str:
    """Return the query string of a page that is opened from these results."""
    return f"?{urlencode({FROM: key})}" if key else ""


def place_of(request: HttpRequest) -> ResultPlace | None:
    """Return the place of a page in the results that it was opened from; None if it was not.

    The search runs again with the permissions of this moment, as at every view of its results.
    """
    key = request.GET.get(FROM, "")
    search_kept = kept.read(request.session, key) if key else None
    if search_kept is None:
        return None
    answer = search(readable(search_kept.typed), request.user)
    pages = list(dict.fromkeys(page_of(hit.row) for hit in answer.hits))
    # With new permissions the results record the search first: see page.py.
    if request.path not in pages or answer.personal_kinds != search_kept.recorded:
        return None
    at = pages.index(request.path)
    following = f"{pages[at + 1]}{from_results(key)}" if at + 1 < len(pages) else ""
    return ResultPlace(at + 1, len(pages), reverse("admin:find_results", args=[key]), following)

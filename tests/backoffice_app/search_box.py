"""Helpers for search tests: sending a term and reading the results."""

import re
from typing import Any

from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of

FIND = "/admin/find/"


def ask(staff: Client, term: str) -> Any:
    """Search for a term; return the results, or the page that the search opens."""
    answer = staff.post(FIND, {"q": term}, follow=True)
    assert answer.status_code == 200
    return answer


def results_address(staff: Client, term: str) -> str:
    """Search for a term; return the address of the results."""
    answer = staff.post(FIND, {"q": term})
    assert answer.status_code == 302
    assert re.fullmatch(rf"{FIND}[\w-]{{22}}/", answer["Location"]), answer["Location"]
    return str(answer["Location"])


def opened(staff: Client, term: str) -> str:
    """Search for a term; return the address of the page that it opens at once."""
    answer = staff.post(FIND, {"q": term})
    assert answer.status_code == 302
    assert not answer["Location"].startswith(FIND), answer["Location"]
    return str(answer["Location"])


def found(staff: Client, term: str, among: list[Any]) -> list[Any]:
    """Return the rows among some that a search finds."""
    return linked(ask(staff, term), among)


def linked(answer: Any, among: list[Any]) -> list[Any]:
    """Return the rows among some that a result page links to, in its order; or the opened one."""
    if at := [row for row in among if answer.request["PATH_INFO"] == page_of(row)]:
        return at
    html = answer.content.decode()
    # Results lead to pages that offer the next result.
    links = {row: re.search(rf'"{re.escape(page_of(row))}(\?from=[\w-]+)?"', html) for row in among}
    places = {link.start(): row for row, link in links.items() if link}
    return [places[place] for place in sorted(places)]


def whys(answer: Any) -> list[str]:
    """Return the reason of each match."""
    return [hit.why for hit in answer.context["answer"].hits]


def searches() -> list[tuple[str, int]]:
    """Return kind and number of results of all recorded searches."""
    rows = AuditLog.objects.filter(event_type="staff.searched").order_by("id")
    return [(row.details["kind"], row.details["found"]) for row in rows]

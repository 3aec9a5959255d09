"""Helpers for search tests: sending a term and reading the results."""

from typing import Any

from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of

FIND = "/admin/find/"


def ask(staff: Client, term: str) -> Any:
    """Search for a term."""
    answer = staff.post(FIND, {"q": term})
    assert answer.status_code == 200
    return answer


def found(staff: Client, term: str, among: list[Any]) -> list[Any]:
    """Return the rows among some that a search finds."""
    return linked(ask(staff, term), among)


def linked(answer: Any, among: list[Any]) -> list[Any]:
    """Return the rows among some that a result page links to, in its order."""
    html = answer.content.decode()
    places = {html.find(f'"{page_of(row)}"'): row for row in among}
    return [places[place] for place in sorted(places) if place >= 0]


def whys(answer: Any) -> list[str]:
    """Return the reason of each match."""
    if answer.context["answer"] is None:
        return []
    return [hit.why for group in answer.context["answer"].groups for hit in group.hits]


def searches() -> list[tuple[str, int]]:
    """Return kind and number of results of all recorded searches."""
    rows = AuditLog.objects.filter(event_type="staff.searched").order_by("id")
    return [(row.details["kind"], row.details["found"]) for row in rows]

"""What tests of the search box share: asking it, and reading what it found."""

from typing import Any

from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of

FIND = "/admin/find/"


def ask(staff: Client, term: str) -> Any:
    """Type a term into the box."""
    answer = staff.post(FIND, {"q": term})
    assert answer.status_code == 200
    return answer


def found(staff: Client, term: str, among: list[Any]) -> list[Any]:
    """Return which of some rows a term finds: those to whose pages the answer links in a first column."""
    return linked(ask(staff, term), among)


def linked(answer: Any, among: list[Any]) -> list[Any]:
    """Return to which of some rows' pages an answer links, in the order of its rows."""
    html = answer.content.decode()
    places = {html.find(f'"{page_of(row)}"'): row for row in among}
    return [places[place] for place in sorted(places) if place >= 0]


def whys(answer: Any) -> list[str]:
    """Return what matched, for each row that was found."""
    if answer.context["answer"] is None:
        return []
    return [hit.why for group in answer.context["answer"].groups for hit in group.hits]


def searches() -> list[tuple[str, int]]:
    """Return the kinds and the numbers found of all searches that were recorded."""
    rows = AuditLog.objects.filter(event_type="staff.searched").order_by("id")
    return [(row.details["kind"], row.details["found"]) for row in rows]

"""No linked admin page shows a personal value whose session was not revealed with a reason."""

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from audit_app.models import AuditLog
from tests.backoffice_app import crawl
from tests.backoffice_app.pages import page_of
from tests.helpers import SOAK, Visitor, mailed_code, uploaded
from uploads_app.models import UploadedFile

# What is shown is the same on every database.

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0 agent-of-{0}"


def person(number: int) -> tuple[Visitor, list[str]]:
    """Return a visitor with all personal values, and those values."""
    name, email = f"Zaphod{number} Beeble{number}", f"zaphod{number}@private{number}.example"
    agent, address = AGENT.format(f"zaphod{number}"), f"198.51.100.{100 + number}"
    visitor = Visitor(HTTP_USER_AGENT=agent, REMOTE_ADDR=address)
    visitor.start()
    visitor.identify(name=name, email=email, consent={"contact": {"granted": True, "version": "1"}})
    file = f"befund-zaphod{number}.pdf"
    uploaded(visitor, name=file)
    visitor.upload(b"no pdf", name=f"refused-{file}")
    values = [f"Zaphod{number}", f"Beeble{number}", email, f"private{number}", address]
    return visitor, [*values, f"befund-zaphod{number}", f"agent-of-zaphod{number}"]


def shown(client: Any, values: list[str], *starts: str) -> dict[str, set[str]]:
    """Return each page that shows any of the values, with those values."""
    found = {}
    for url, html in crawl.pages(client, *starts):
        if kept := {value for value in values if value.lower() in (html + url).lower()}:
            found[url] = kept
    return found


def people() -> list[tuple[Visitor, list[str]]]:
    """Return a visitor with a live session, one whose session was reset, and one with a verified address."""
    people = [person(number) for number in range(3)]
    people[1][0].reset()
    people[2][0].ask_for_code()
    people[2][0].verify(mailed_code())
    people[2][0].end()
    call_command("cleanup_orphans", verbosity=0)
    return people


@pytest.mark.skipif(not SOAK, reason="the next test also visits every page, with one reveal")
@pytest.mark.parametrize("role", ["Support", "Auditor", "superuser"])
def test_t64_no_page_shows_a_personal_value_without_a_reveal(
    db: None, make_staff: Any, role: str
) -> None:
    values = [value for _, kept in people() for value in kept]
    staff = make_staff(is_superuser=True) if role == "superuser" else make_staff(role)

    assert shown(staff, values) == {}

    assert not AuditLog.objects.filter(event_type="staff.personal_data_revealed").exists()


def test_t64_only_the_pages_of_a_revealed_session_show_its_values(
    db: None, support: Client
) -> None:
    (visitor, values), *others = people()
    page = page_of(visitor.row)
    support.post(page_of(visitor.row, "reveal"), {"reason": "the visitor asked me to check"})

    found = shown(support, [*values, *(value for _, kept in others for value in kept)])

    files = [page_of(one) for one in UploadedFile.objects.filter(session=visitor.row)]
    events = [page_of(one) for one in AuditLog.objects.filter(session_uuid=visitor.uuid)]
    own = {page, page_of(visitor.row, "person"), *files, *events}
    assert {page, *files} <= {url.partition("?")[0] for url in found} <= own
    assert set.union(*found.values()) <= set(values)
    revealed = AuditLog.objects.get(event_type="staff.personal_data_revealed")
    assert revealed.details["page"] == f"usersession:{visitor.uuid}"
    for one, count in ((visitor, 2), (others[0][0], 1)):
        checked = AuditLog.objects.filter(session_uuid=one.uuid, event_type__startswith="staff.")
        activity = one.get("/api/v1/sessions/current/activity/").json()["results"]
        staffs = [item["event_id"] for item in activity if item["event"].startswith("staff.")]
        assert staffs == [str(log.event_id) for log in checked.order_by("-id")]
        assert len(staffs) == count

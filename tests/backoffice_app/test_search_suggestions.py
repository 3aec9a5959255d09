"""Matches while somebody types: only for codes, ids, hashes and keys, without a personal value."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit_app.models import AuditLog
from tests.backoffice_app.pages import page_of
from tests.backoffice_app.search_box import found, searches
from tests.backoffice_app.test_search_quick import others_wrote, plans
from tests.helpers import Visitor, uploaded
from uploads_app.models import UploadedFile

pytestmark = pytest.mark.both

SUGGESTIONS = "/admin/find/suggestions/"
MOST_STATEMENTS = 12
PERSONAL = (
    "Anne", "anne b", "deadbeef", "20260101", "anne@mail.example", "198.51.100.7", "198.51.100.0/24",
    "scan of", "Mar Bel Sch", "maria2020", "MAR", "MAR-7F3", "a1b2c3d", "uploads/a1b2c3d4", "2001:db8::1",
)  # fmt: skip


@pytest.fixture
def anne(db: None) -> Visitor:
    """A visitor with a name, an e-mail address and a file."""
    visitor = Visitor(REMOTE_ADDR="198.51.100.7")
    while not re.search("[0-9]", visitor.start().json()["support_code"][4:9]) or not _mixed(
        visitor.uuid
    ):
        visitor = Visitor(REMOTE_ADDR="198.51.100.7")
    visitor.identify(name="Anne Bell", email="anne@mail.example")
    uploaded(visitor, name="scan of id.pdf")
    return visitor


def _mixed(digits: str) -> bool:
    return bool(re.search("[0-9]", digits[:8]) and re.search("[a-f]", digits[:8]))


def offered(staff: Client, term: str) -> list[dict[str, str]]:
    answer = staff.post(SUGGESTIONS, {"q": term})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    suggestions: list[dict[str, str]] = answer.json()["suggestions"]
    return suggestions


def starts_of(visitor: Visitor) -> dict[str, Any]:
    """Return the beginning of each impersonal value, and its row."""
    file = UploadedFile.objects.get(session=visitor.row)
    event = AuditLog.objects.get(event_type="upload.stored")
    long = {str(file.pk): file, file.sha256: file, str(event.event_id): event}
    long |= {event.request_id: event}
    return {
        visitor.row.support_code[:9]: visitor.row,
        visitor.row.support_code.lower().replace("-", " "): visitor.row,
        visitor.uuid[:8]: visitor.row,
        file.key: file,
        # Digits alone may be a date: longer starts have a letter, too.
        **{
            text[: next(n for n in range(8, 33) if _mixed_to(text, n))]: long[text] for text in long
        },
    }


def _mixed_to(digits: str, length: int) -> bool:
    return bool(re.search("[0-9]", digits[:length]) and re.search("[a-f]", digits[:length]))


def test_ids_and_codes_have_matches_while_typed_by_their_indexes(
    anne: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")
    others_wrote(100)
    events = AuditLog.objects.count()
    for term, row in starts_of(anne).items():
        with CaptureQueriesContext(connection) as captured:
            urls = [one["url"] for one in offered(support, term)]
        assert page_of(row) in urls, term
        assert len(captured) <= MOST_STATEMENTS, term
        for plan in plans(captured):
            assert not re.search(r"Seq Scan|\bSCAN\b", plan), (term, plan)
            assert "Filter:" not in plan.replace("Join Filter:", ""), (term, plan)
    text = str([offered(support, term) for term in starts_of(anne)])
    assert not re.search("Anne|anne@|scan of|198.51", text)
    assert AuditLog.objects.count() == events


def test_terms_that_may_be_personal_have_no_matches(anne: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    offered(support, "Anne")  # the first request of a session may write
    with CaptureQueriesContext(connection) as none:
        offered(support, "")
    for term in PERSONAL:
        with CaptureQueriesContext(connection) as captured:
            assert offered(support, term) == [], term
        assert len(captured) == len(none), term
    assert searches() == []


def test_matches_need_the_permissions_of_their_pages(anne: Visitor, make_staff: Any) -> None:
    operator = make_staff("Operator")
    for term in starts_of(anne):
        assert operator.post(SUGGESTIONS, {"q": term}).status_code == 403, term
    support = make_staff("Support")
    assert support.get(SUGGESTIONS, {"q": anne.uuid[:8]}).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = support.cookies
    assert strict.post(SUGGESTIONS, {"q": anne.uuid[:8]}).status_code == 403


def test_what_a_page_shows_can_be_searched(anne: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    file = UploadedFile.objects.get(session=anne.row)
    event = AuditLog.objects.get(event_type="upload.stored")
    for term, row in {
        str(file.pk)[:8]: file,
        file.sha256[:8]: file,
        str(event.event_id)[:8] + "…": event,
        f"{event.request_id[:8]}…": event,
        anne.uuid[:8]: anne.row,
        "198.51.100.0/24": anne.row,
    }.items():
        assert found(support, term, [row]) == [row], term
    assert found(support, "198.51.101.0/24", [anne.row]) == []
    assert [bool(count) for kind, count in searches() if kind == "network"] == [True, False]


def test_a_masked_ipv6_network_can_be_searched(db: None, make_staff: Any) -> None:
    support = make_staff("Support")
    addresses = ["2001:db8:1::5", "2001:db8:1:2::7", "2001:db8::1", "2001:db8:0:1::1"]
    rows = []
    for address in addresses:
        visitor = Visitor(REMOTE_ADDR=address)
        visitor.start()
        rows.append(visitor.row)
    assert set(found(support, "2001:db8:1::/48", rows)) == set(rows[:2])
    assert set(found(support, "2001:db8::/48", rows)) == set(rows[2:])

"""The person's page: verified and claimed sessions, masked until revealed."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditLog
from backoffice_app.person import sessions as person_sessions
from sessions_app.models import UserSession
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.backoffice_app.people import EMAIL, claimed, proven_by_code, unzipped, verified
from tests.helpers import Visitor, events, started, uploaded
from tests.sessions_app.people import log_lines


def shown(staff: Client, visitor: Visitor) -> str:
    """Return the visible text of the person's page."""
    page = staff.get(page_of(visitor.row, "person"))
    assert page.status_code == 200
    return shown_text(page.content.decode())


def listed(staff: Client, visitor: Visitor) -> tuple[list[str], list[str]]:
    """Return the support codes listed as verified and as claimed."""
    page = staff.get(page_of(visitor.row, "person"))
    parts = [
        [one.session.support_code for one in page.context[kind]] for kind in ("verified", "claimed")
    ]
    text = shown_text(page.content.decode())
    assert all(code in text for codes in parts for code in codes)
    return parts[0], parts[1]


@pytest.mark.both
def test_verified_and_claimed_sessions_are_listed_apart_newest_first(
    support: Client,
) -> None:
    first, second = verified(), verified("Anna@Example.COM")
    third, stranger = claimed("ANNA@example.com"), verified("berta@example.com")
    codes = [one.row.support_code for one in (second, first)]
    for visitor in (first, second, third):
        assert listed(support, visitor) == (codes, [third.row.support_code])
    assert stranger.row.support_code not in shown(support, first)


def test_the_sessions_page_links_to_the_person(visitor: Visitor, make_staff: Any) -> None:
    for group in ("Support", "Auditor"):
        html = make_staff(group).get(page_of(visitor.row)).content.decode()
        assert f'href="{page_of(visitor.row, "person")}"' in html


def test_a_session_without_an_address_has_a_message(visitor: Visitor, support: Client) -> None:
    started()  # it has no address either
    assert "This session has no e-mail address" in shown(support, visitor)
    assert support.get(page_of(visitor.row, "person")).context["person"].uuids == []


def test_the_page_shows_state_files_and_consent(support: Client) -> None:
    visitor = verified()
    visitor.identify(consent={"contact": {"granted": True, "version": "2026-01"}})
    size = uploaded(visitor).size + uploaded(visitor).size
    visitor.end()
    (one,) = support.get(page_of(visitor.row, "person")).context["verified"]
    assert (one.files, one.bytes) == (2, size)
    text = shown(support, visitor)
    assert "Ended" in text
    assert "contact granted (2026-01)" in text


def test_a_view_is_recorded_for_each_listed_session(support: Any) -> None:
    visitors = [verified(), verified(), claimed()]
    stranger = verified("berta@example.com")
    shown(support, visitors[0])
    shown(support, visitors[0])
    for visitor in visitors:
        (log,) = AuditLog.objects.filter(
            session_uuid=visitor.uuid, event_type="staff.session_viewed"
        )
        assert (log.actor, log.details) == (f"staff:{support.user.pk}", {"page": "person"})
    assert "staff.session_viewed" not in events(stranger.uuid)


def test_personal_values_are_masked_until_revealed(support: Client) -> None:
    visitor, other = verified(name="Anna Bell"), verified(name="Anna Belle")
    text = shown(support, visitor)
    for value in (EMAIL, "Anna", "Bell"):
        assert value not in text
    assert "a•••@e•••" in text
    assert "A••• B•••" in text

    page = support.post(
        page_of(visitor.row, "reveal_person"), {"reason": "to compare"}, follow=True
    )

    text = shown_text(page.content.decode())
    for value in (EMAIL, "Anna Bell", "Anna Belle"):
        assert value in text
    for one in (visitor, other):
        (log,) = AuditLog.objects.filter(
            session_uuid=one.uuid, event_type="staff.personal_data_revealed"
        )
        assert log.details["reason"] == "to compare"
    assert "Anna Belle" in shown(support, other)
    assert "Anna Bell" in shown_text(support.get(page_of(visitor.row)).content.decode())


def test_a_new_session_after_the_reveal_is_masked(support: Client) -> None:
    visitor = verified(name="Anna Bell")
    support.post(page_of(visitor.row, "reveal_person"), {"reason": "to compare"})
    assert "Anna Bell" in shown(support, visitor)
    claimed(name="Carla Coe")
    text = shown(support, visitor)
    assert "Carla" not in text
    assert "Anna Bell" in text


def test_an_auditor_sees_masked_values_and_no_actions(make_staff: Any) -> None:
    visitor = verified(name="Anna Bell")
    page = make_staff("Auditor").get(page_of(visitor.row, "person"))
    assert page.status_code == 200
    assert page.context["row_actions"] == []
    assert "Anna" not in shown_text(page.content.decode())


@pytest.mark.parametrize(("role", "status"), [("", 403), ("Operator", 403), ("Auditor", 200)])
def test_t68_without_session_permission_no_person_and_no_certificate(
    make_staff: Any, role: str, status: int
) -> None:
    staff = make_staff(role)
    visitor, erased = verified(), verified()
    erased.erase()
    before = events()
    assert staff.get(page_of(visitor.row, "person")).status_code == status
    assert staff.get(page_of(erased.row, "certificate")).status_code == status
    assert ("staff.session_viewed" in events()[len(before) :]) == (status == 200)


def test_t68_no_action_starts_from_a_claimed_session(
    support: Client,
) -> None:
    victim, caller = verified(), claimed()
    uploaded(victim)
    page = support.get(page_of(caller.row, "person"))
    assert "anybody can type any address" in shown_text(page.content.decode())
    titles = [link.title for link in page.context["row_actions"]]
    assert titles == ["Show personal values"]
    before = events()
    for action in ("export_person", "erase_person"):
        answer = support.post(
            page_of(caller.row, action),
            {"reason": "x", "code": caller.row.support_code},
            follow=True,
        )
        assert "only claims its e-mail address" in shown_text(answer.content.decode())
    assert victim.row.status == "active"
    assert [event for event in events()[len(before) :] if not event.startswith("staff.")] == []


def test_the_export_contains_all_verified_and_no_claimed_sessions(support: Client) -> None:
    one, two, claim = verified(), verified(), claimed()
    uploaded(two, name="report.pdf")
    response = support.post(page_of(one.row, "export_person"), {"reason": "asked by letter"})
    members = unzipped(response)
    folders = {name.split("/")[0] for name in members} - {"index.txt"}
    assert folders == {one.row.support_code, two.row.support_code}
    assert f"{two.row.support_code}/files/001-report.pdf" in members
    document = json.loads(members[f"{one.row.support_code}/session.json"])
    assert document["session"]["email"] == EMAIL
    assert claim.uuid.encode() not in b"".join(members.values())
    for visitor, exports in ((one, 1), (two, 1), (claim, 0)):
        assert events(visitor.uuid).count("session.exported") == exports


def test_the_email_is_in_no_log_line_and_no_url(support: Client) -> None:
    with log_lines() as lines:
        visitor = proven_by_code(name="Anna Bell")
        page = support.get(page_of(visitor.row, "person"))
        support.post(page_of(visitor.row, "reveal_person"), {"reason": "x"}, follow=True)
    assert EMAIL not in lines.getvalue()
    assert EMAIL not in page.content.decode()


@pytest.mark.both
@pytest.mark.usefixtures("extended_once")
def test_t70_the_page_has_a_constant_number_of_queries(support: Client) -> None:
    visitor = verified()
    shown(support, visitor)
    counts = []
    for _ in range(2):
        UserSession.objects.bulk_create([*many(visitor, 5), *many(visitor, 5, proven=False)])
        shown(support, visitor)  # the first look at new sessions is written down
        with CaptureQueriesContext(connection) as queries:
            shown(support, visitor)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_t70_at_most_a_hundred_of_each_kind_are_shown(support: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(person_sessions, "SHOWN", 3)
    visitor = verified()
    UserSession.objects.bulk_create([*many(visitor, 3), *many(visitor, 3, proven=False)])
    proven, claims = listed(support, visitor)
    assert (len(proven), len(claims)) == (3, 3)
    assert visitor.row.support_code in proven  # the page's own, though it is the oldest
    assert shown(support, visitor).count("There are more. 3 are shown") == 1


@pytest.mark.both
@pytest.mark.parametrize(
    "lookalike", ["anna@gıthub.example", "anna@githuſ.example", "anna@\u212aithub.example"]
)
def test_addresses_that_are_equal_only_in_upper_case_differ(
    support: Client, lookalike: str
) -> None:
    """The upper case of ı is I and of ſ is S, but the domains differ."""
    usual = lookalike.replace("ı", "i").replace("ſ", "s").replace("\u212a", "k")
    owner, other = verified(usual), verified(lookalike)
    assert listed(support, owner) == ([owner.row.support_code], [])
    assert listed(support, other) == ([other.row.support_code], [])


@pytest.mark.both
@pytest.mark.django_db
def test_t70_the_address_lookup_uses_an_index() -> None:
    UserSession.objects.bulk_create(
        UserSession(
            email=f"{number}@example.com", token_hash=f"{number}", expires_at=timezone.now()
        )
        for number in range(300)
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sessions_app_usersession")  # otherwise the planner guesses
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")  # the table is small
    assert "session_email_newest" in UserSession.objects.of_email(EMAIL).order_by().explain()


@pytest.mark.parametrize("page", ["person", "erase_person", "export_person", "export", "erase"])
def test_t66_visitor_text_is_escaped(support: Client, page: str) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    visitor = verified(name=hostile)
    support.post(page_of(visitor.row, "reveal_person"), {"reason": "x"})
    html = support.get(page_of(visitor.row, page)).content.decode()
    assert inline_code(html) == []
    assert hostile not in html


def many(visitor: Visitor, count: int, proven: bool = True) -> list[UserSession]:
    """Return unsaved sessions with the visitor's address."""
    row = visitor.row
    return [
        UserSession(
            email=row.email,
            email_proven=proven,
            expires_at=row.expires_at,
            token_hash=f"{UserSession().uuid}",
        )
        for _ in range(count)
    ]

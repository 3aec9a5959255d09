"""Searches by personal values: permission, recording without the term, and no term in a URL."""

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from audit_app.models import AuditLog, AuditPersonal
from tests.backoffice_app.pages import shown_text
from tests.backoffice_app.search_box import FIND, ask, found, linked, searches
from tests.helpers import Visitor, uploaded
from uploads_app.models import UploadedFile

# Who may what is the same on every database.

NAME, EMAIL, FILE, SEEN_AT = "Anne Bell", "anne@mail.example", "scan of id.pdf", "198.51.100.7"
PERSONAL = {
    EMAIL: "email",
    "Anne": "name,file_name",
    "scan of": "name,file_name",
    SEEN_AT: "address",
}


@pytest.fixture
def anne(db: None) -> Visitor:
    """A visitor with a name, an e-mail address and a file."""
    visitor = Visitor(REMOTE_ADDR=SEEN_AT)
    visitor.start()
    visitor.identify(name=NAME, email=EMAIL)
    uploaded(visitor, name=FILE)
    return visitor


def everything_of(visitor: Visitor) -> list[Any]:
    """Return the rows of a visitor that a search may find."""
    file = UploadedFile.objects.get(session=visitor.row)
    event = AuditLog.objects.get(event_type="upload.stored")
    return [visitor.row, file, event]


def identifiers(visitor: Visitor) -> list[str]:
    """Return impersonal terms that each have a result."""
    session, file, event = everything_of(visitor)
    return [
        session.support_code, session.support_code.removeprefix("MAR-") + "", str(session.uuid),
        session.uuid.hex, event.request_id, file.sha256, str(file.pk), file.key,
    ]  # fmt: skip


def test_t50_a_personal_search_is_recorded_by_kind_without_the_term(
    anne: Visitor, make_staff: Any, caplog: Any
) -> None:
    support = make_staff("Support")
    events = AuditLog.objects.count()
    with caplog.at_level(logging.DEBUG):
        for term, kind in PERSONAL.items():
            ask(support, term)
            log = AuditLog.objects.order_by("-id")[0]
            assert (log.event_type, log.actor) == ("staff.searched", f"staff:{support.user.pk}")
            assert log.details == {"kind": kind, "found": 1}
            assert term not in log.text
    assert AuditLog.objects.count() == events + len(PERSONAL)
    ask(support, "nobody at all")
    assert searches()[-1] == ("name,file_name", 0)
    lines = " ".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    for term in PERSONAL:
        assert term not in lines or term == SEEN_AT
    parts = AuditPersonal.objects.filter(log__event_type="staff.searched")
    assert {(part.email, part.file_name, part.address) for part in parts} == {("", "", "127.0.0.1")}


def test_t50_an_impersonal_search_is_not_recorded(anne: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for term in identifiers(anne):
        if any(symbol.isdecimal() for symbol in term):
            assert found(support, term, everything_of(anne)), term
            assert searches() == [], term


def test_t50_no_personal_term_in_a_url(anne: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for term in PERSONAL:
        answer = support.get(FIND, {"q": term})
        assert answer.status_code == 400
        assert linked(answer, everything_of(anne)) == []
        assert "Type the term into the box." in shown_text(answer.content.decode())
        assert term not in answer.content.decode()
    assert searches() == []
    for term in (anne.row.support_code, *identifiers(anne)[2:]):
        answer = support.get(FIND, {"q": term})
        assert answer.status_code == 200
        assert linked(answer, everything_of(anne)), term


def test_t50_the_response_is_not_cached(anne: Visitor, make_staff: Any) -> None:
    answer = ask(make_staff("Support"), EMAIL)
    assert "no-store" in answer["Cache-Control"]
    assert f'action="{FIND}"' in answer.content.decode()
    assert 'method="get"' not in answer.content.decode()


def test_t50_a_search_from_another_site_is_refused(anne: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = support.cookies
    assert strict.post(FIND, {"q": EMAIL}).status_code == 403
    assert searches() == []


def test_t64_personal_lookups_require_the_permission(anne: Visitor, make_staff: Any) -> None:
    auditor = make_staff("Auditor")
    for term in PERSONAL:
        answer = ask(auditor, term)
        assert linked(answer, everything_of(anne)) == [], term
        assert "Your groups do not allow searching by:" in shown_text(answer.content.decode())
    assert searches() == []
    for term in (anne.row.support_code, *identifiers(anne)[2:]):
        answer = ask(auditor, term)
        assert linked(answer, everything_of(anne)), term
        assert "Your groups do not let you" not in shown_text(answer.content.decode())


def test_t64_only_permitted_models_are_searched(anne: Visitor, make_staff: Any) -> None:
    session, file, event = everything_of(anne)
    staff = make_staff()
    for codename, mine in (("view_usersession", session), ("view_auditlog", event)):
        staff.user.user_permissions.set(
            Permission.objects.filter(codename__in=[codename, "view_auditpersonal"])
        )
        rows = [
            row
            for term in (*PERSONAL, *identifiers(anne))
            for row in linked(ask(staff, term), [session, file, event])
        ]
        assert set(rows) == {mine}


@pytest.mark.parametrize(
    ("role", "status"),
    [("", 403), ("Operator", 403), ("Auditor", 200), ("Support", 200)],
)
def test_t64_who_may_search(db: None, make_staff: Any, role: str, status: int) -> None:
    staff = make_staff(role)
    assert staff.get(FIND).status_code == status
    assert staff.post(FIND, {"q": "Anne"}, follow=True).status_code == status
    assert staff.get(f"{FIND}unknown/").status_code == (410 if status == 200 else 403)
    assert (FIND in staff.get("/admin/").content.decode()) is (status == 200)
    assert Client().post(FIND, {"q": "Anne"}).status_code == 302

"""Issuing a recovery code in the admin: permission, shown once, stored only as a hash."""

import io
import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from audit_app.models import AuditLog
from sessions_app.models import RecoveryCode, UserSession
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import Visitor, database_text, events
from tests.sessions_app.support import expire

LINK = "Issue a recovery code…"
# Not what looks like one in the middle of a UUID.
CODE = re.compile(r"(?<![\w-])[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){2}(?![\w-])")


def page(visitor: Visitor) -> str:
    return page_of(visitor.row, "recover")


def post(staff: Client, visitor: Visitor, reason: str = "lost the phone") -> str:
    """Request a code and return the text of the page that follows."""
    return shown_text(staff.post(page(visitor), {"reason": reason}, follow=True).content.decode())


def issued(staff: Client, visitor: Visitor) -> str:
    """Issue a code and return it."""
    found = CODE.search(post(staff, visitor))
    assert found
    return found[0]


@pytest.mark.parametrize("role", ["Support", "superuser"])
def test_t68_a_permitted_user_gets_a_code_and_the_log_has_who_and_why(
    visitor: Visitor, make_staff: Any, role: str
) -> None:
    staff = make_staff(is_superuser=True) if role == "superuser" else make_staff(role)
    assert LINK in staff.get(page_of(visitor.row)).content.decode()
    form_page = staff.get(page(visitor)).content.decode()
    assert "Make sure that you are talking to its visitor" in shown_text(form_page)
    assert inline_code(form_page) == []
    assert not RecoveryCode.objects.exists()

    code = issued(staff, visitor)

    log = AuditLog.objects.get(event_type="session.recovery_issued")
    assert (log.session_uuid, log.actor) == (visitor.row.pk, f"staff:{staff.user.pk}")
    assert log.details == {"reason": "lost the phone"}
    device = Visitor()
    assert device.recover(code).status_code == 200
    assert device.uuid == visitor.uuid


def test_t68_other_roles_get_no_code(visitor: Visitor, make_staff: Any) -> None:
    before = [event for event in events() if not event.startswith("staff.")]

    for staff in (make_staff(), make_staff("Auditor")):
        for answer in (staff.get(page(visitor)), staff.post(page(visitor), {"reason": "x"})):
            assert answer.status_code == 403
        assert LINK not in staff.get(page_of(visitor.row)).content.decode()
    for client in (Client(), visitor):
        assert client.post(page(visitor), {"reason": "x"})["Location"].startswith("/admin/login/")
    assert not RecoveryCode.objects.exists()
    assert [event for event in events() if not event.startswith("staff.")] == before


@pytest.mark.both
def test_t07_a_foreign_page_cannot_request_a_code(visitor: Visitor, make_staff: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = make_staff("Support").cookies
    assert strict.post(page(visitor), {"reason": "x"}).status_code == 403
    assert not RecoveryCode.objects.exists()


def test_the_code_is_shown_once_and_not_stored(
    visitor: Visitor,
    make_staff: Any,
    log_lines: io.StringIO,
) -> None:
    staff = make_staff("Support")

    code = issued(staff, visitor)

    assert settings.MESSAGES_COOKIE_NAME not in staff.cookies
    shown = [staff.get(url).content.decode() for url in (page_of(visitor.row), page(visitor))]
    stored, logged = database_text(), log_lines.getvalue()
    assert RecoveryCode.objects.get().code_hash in stored  # so the search would have found it
    assert RecoveryCode.objects.get().code_hash in logged
    for spelling in (code, code.replace("-", "")):
        for text in (*shown, stored, logged):
            assert spelling not in text


def test_without_a_valid_reason_there_is_no_code(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for reason in ("", "   ", "x" * 201):
        assert not CODE.search(post(support, visitor, reason))
    assert not RecoveryCode.objects.exists()
    assert "session.recovery_issued" not in events()


@pytest.mark.parametrize("end", [Visitor.end, Visitor.reset, Visitor.erase, expire])
def test_a_stale_page_says_that_the_session_has_ended(
    visitor: Visitor, make_staff: Any, end: Any
) -> None:
    staff = make_staff("Support")
    assert LINK in staff.get(page_of(visitor.row)).content.decode()
    url = page(visitor)
    first = visitor.row.pk
    end(visitor)

    answer = staff.post(url, {"reason": "lost the phone"}, follow=True)

    text = shown_text(answer.content.decode())
    assert "This session has already ended. Nothing was changed." in text
    assert not CODE.search(text)
    assert not RecoveryCode.objects.exists()
    assert "session.recovery_issued" not in events()
    ended = UserSession.objects.get(pk=first)
    if ended.status != "active":  # its link goes with the state that everybody sees
        assert LINK not in staff.get(page_of(ended)).content.decode()


def test_a_second_code_invalidates_the_first(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    first, second = issued(staff, visitor), issued(staff, visitor)

    assert Visitor().recover(first).status_code == 401
    assert Visitor().recover(second).status_code == 200

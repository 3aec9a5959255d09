"""Issuing a recovery code: who may, what is asked and shown, and that it is shown once."""

import re
from typing import Any

import pytest
from django.test import Client

from audit_app.models import AuditLog
from sessions_app.models import RecoveryCode
from tests.admin.pages import page_of, shown_text
from tests.helpers import Visitor, events
from tests.security.test_token import database_text
from tests.sessions_app.support import end_as

CODE = r"\b(?:[0-9A-Z]{4}-){2}[0-9A-Z]{4}\b"


def post(staff: Client, visitor: Visitor, reason: str = "lost the phone") -> Any:
    """Ask for a code and follow to the page that shows it."""
    return staff.post(page_of(visitor.row, "recover"), {"reason": reason}, follow=True)


def test_the_code_is_shown_once_and_takes_the_session(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    assert "Issue a recovery code" in staff.get(page_of(visitor.row)).content.decode()

    page = shown_text(post(staff, visitor).content.decode())

    (shown,) = re.findall(CODE, page)
    log = AuditLog.objects.get(event_type="session.recovery_issued")
    assert (str(log.session_uuid), log.actor) == (visitor.uuid, f"staff:{staff.user.pk}")
    assert log.details == {"reason": "lost the phone"}
    again = staff.get(page_of(visitor.row)).content.decode()
    assert shown not in again
    assert shown not in database_text()
    device = Visitor()
    answer = device.post(
        "/api/v1/sessions/recover/", {"code": shown}, content_type="application/json"
    )
    assert answer.json()["uuid"] == visitor.uuid


@pytest.mark.parametrize("how", ["expired", "ended", "revoked"])
def test_a_session_that_is_over_gets_no_code(visitor: Visitor, make_staff: Any, how: str) -> None:
    end_as(how, visitor, make_staff)

    page = shown_text(post(make_staff("Support"), visitor).content.decode())

    assert "already over" in page
    assert not re.findall(CODE, page)
    assert not RecoveryCode.objects.exists()
    assert "session.recovery_issued" not in events()


@pytest.mark.parametrize("reason", ["", "   ", "x" * 201])
def test_without_a_good_reason_there_is_no_code(
    visitor: Visitor, make_staff: Any, reason: str
) -> None:
    page = post(make_staff("Support"), visitor, reason)
    assert "errorlist" in page.content.decode()
    assert not RecoveryCode.objects.exists()


def test_asking_makes_no_code(visitor: Visitor, make_staff: Any) -> None:
    assert make_staff("Support").get(page_of(visitor.row, "recover")).status_code == 200
    assert not RecoveryCode.objects.exists()


@pytest.mark.parametrize("group", ["Auditor", ""])
def test_t68_staff_without_the_permission_get_none(
    visitor: Visitor, make_staff: Any, group: str
) -> None:
    staff = make_staff(group)
    assert post(staff, visitor).status_code == 403
    assert staff.get(page_of(visitor.row, "recover")).status_code == 403
    assert "recover/" not in staff.get(page_of(visitor.row)).content.decode()
    assert not RecoveryCode.objects.exists()


def test_t07_a_foreign_page_cannot_ask_for_one(visitor: Visitor, make_staff: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = make_staff("Support").cookies
    assert post(strict, visitor).status_code == 403
    assert not RecoveryCode.objects.exists()

"""Revoking a session: permission, reason, effect, and only once."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from audit_app.models import AuditLog
from sessions_app.models import SessionStatus, UserSession
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, age_session, code, events, started, stored_keys, uploaded


def revoke_page(visitor: Visitor) -> str:
    return page_of(visitor.row, "revoke")


def post(staff: Client, visitor: Visitor, reason: str = "abuse") -> Any:
    """Revoke a visitor's session and return the page that follows."""
    return staff.post(revoke_page(visitor), {"reason": reason}, follow=True)


@pytest.mark.parametrize("group", ["Support", "superuser"])
def test_revoking_ends_the_session_and_records_who_and_why(
    visitor: Visitor, make_staff: Any, group: str
) -> None:
    uploaded(visitor)
    keys = stored_keys()
    staff = make_staff(is_superuser=True) if group == "superuser" else make_staff(group)
    assert "Revoke…" in staff.get(page_of(visitor.row)).content.decode()

    page = post(staff, visitor, "reported by a colleague")

    assert "is revoked. Its visitor can no longer use it" in shown_text(page.content.decode())
    row = visitor.row
    assert (row.status, row.end_reason) == (SessionStatus.REVOKED, "reported by a colleague")
    assert row.ended_at is not None
    log = AuditLog.objects.get(event_type="session.revoked")
    assert (log.session_uuid, log.actor) == (row.uuid, f"staff:{staff.user.pk}")
    assert log.details == {"reason": "reported by a colleague", "lost_files": 1}
    assert stored_keys() == keys  # the files stay for their retention
    assert "Revoke…" not in staff.get(page_of(row)).content.decode()


@pytest.mark.both
def test_the_visitor_is_refused_and_gets_the_reason(visitor: Visitor, make_staff: Any) -> None:
    post(make_staff("Support"), visitor)
    answer = visitor.current()
    assert answer.status_code == 401
    assert code(answer) == "session_invalid"
    assert answer.json()["reason"] == "revoked"
    assert answer.json()["support_code"] == visitor.row.support_code
    assert code(visitor.upload()) == "session_invalid"
    assert code(visitor.reset()) == "session_invalid"
    assert visitor.start().status_code == 201


def test_revoking_twice_changes_nothing(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    post(staff, visitor, "first")
    row = UserSession.objects.values().get(pk=visitor.uuid)
    written = events()
    page = post(staff, visitor, "second")
    assert "already ended" in shown_text(page.content.decode())
    assert UserSession.objects.values().get(pk=visitor.uuid) == row
    assert events() == written


@pytest.mark.parametrize("how", ["ended", "time has run out"])
def test_an_ended_session_cannot_be_revoked(visitor: Visitor, make_staff: Any, how: str) -> None:
    staff = make_staff("Support")
    if how == "ended":
        visitor.end()
    else:
        age_session(visitor.row, timedelta(days=2))
    row = UserSession.objects.values().get(pk=visitor.uuid)
    assert "already ended" in shown_text(post(staff, visitor).content.decode())
    assert UserSession.objects.values().get(pk=visitor.uuid) == row
    assert "session.revoked" not in events()


def test_without_a_good_reason_nothing_happens(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for reason in ("", "   ", "x" * 201, "a\x00b"):
        page = post(support, visitor, reason)
        assert page.status_code == 200, reason
        assert "errorlist" in page.content.decode(), reason
    assert visitor.current().status_code == 200
    assert "session.revoked" not in events()


def test_a_reason_has_up_to_200_characters(db: None, make_staff: Any) -> None:
    support = make_staff("Support")
    for reason in ("x", "x" * 200):
        visitor = started()
        post(support, visitor, reason)
        assert visitor.row.end_reason == reason


def test_opening_the_page_changes_nothing(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    assert staff.get(revoke_page(visitor)).status_code == 200
    assert visitor.current().status_code == 200
    assert "session.revoked" not in events()


def test_t68_staff_without_the_permission_get_403(visitor: Visitor, make_staff: Any) -> None:
    for staff in (make_staff("Auditor"), make_staff()):
        assert staff.get(revoke_page(visitor)).status_code == 403
        assert post(staff, visitor).status_code == 403
        assert "Revoke…" not in staff.get(page_of(visitor.row)).content.decode()
    assert visitor.current().status_code == 200
    assert "session.revoked" not in events()


def test_t68_the_page_requires_a_sign_in(visitor: Visitor) -> None:
    for client in (Client(), visitor):
        answer = client.post(revoke_page(visitor), {"reason": "x"})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/login/")
    assert visitor.current().status_code == 200


def test_t7_a_foreign_page_cannot_post_the_form(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = staff.cookies
    assert strict.post(revoke_page(visitor), {"reason": "x"}).status_code == 403
    assert visitor.current().status_code == 200


def test_an_unknown_session_is_404(visitor: Visitor, make_staff: Any) -> None:
    staff = make_staff("Support")
    staff.raise_request_exception = False
    for name in ("0b55bd1c-2c50-4fd6-9d3c-0a8d7f8a6b11", "x", "0", "..", "%00", "1/2"):
        url = f"/admin/sessions_app/usersession/{name}/revoke/"
        assert staff.post(url, {"reason": "x"}).status_code == 404, name
    assert "session.revoked" not in events()

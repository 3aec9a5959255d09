"""Denied admin pages are recorded, once a minute."""

from typing import Any

from django.contrib.auth.models import User

from audit_app.models import AuditLog
from tests.backoffice_app.pages import list_of, page_of
from tests.helpers import Visitor, events

# The database makes no difference.


def test_t68_a_denied_page_is_recorded_with_its_route(visitor: Visitor, make_staff: Any) -> None:
    client = make_staff()
    for _ in range(3):
        assert client.get(page_of(visitor.row)).status_code == 403
    (log,) = AuditLog.objects.filter(event_type="staff.permission_denied")
    assert (log.outcome, log.actor, log.session_uuid) == (
        "denied", f"staff:{client.user.pk}", None,
    )  # fmt: skip
    assert log.details == {"page": "admin:sessions_app_usersession_change", "repeated": 0}
    assert visitor.uuid not in log.text


def test_t68_other_pages_and_other_staff_are_counted_separately(make_staff: Any) -> None:
    first, second = make_staff(), make_staff("Support")
    for client in (first, second):
        client.get(list_of(User))
        client.post(list_of(User, "add"), {"username": "x"})
    assert events().count("staff.permission_denied") == 4


def test_t68_allowed_and_anonymous_requests_are_not_recorded(client: Any, make_staff: Any) -> None:
    assert client.get(list_of(User)).status_code == 302
    assert make_staff(is_superuser=True).get(list_of(User)).status_code == 200
    assert make_staff().get("/admin/nothing/").status_code == 404
    assert "staff.permission_denied" not in events()

"""Staff let a session live longer: never shorter, never more than 30 days beyond its ordinary end."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from sessions_app.credentials import LONGEST_EXTENSION
from sessions_app.models import SessionStatus
from sessions_app.services.sessions import expire_due_sessions
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, age_session, events, uploaded

SECOND = timedelta(seconds=1)


def extend(staff: Client, visitor: Visitor, days: int = 14, reason: str = "away") -> str:
    """Ask for more time and return what the next page says."""
    page = staff.post(page_of(visitor.row, "extend"), {"days": days, "reason": reason}, follow=True)
    assert page.status_code == 200
    return shown_text(page.content.decode())


@pytest.mark.both
def test_it_lives_at_least_so_long_used_or_not(visitor: Visitor, make_staff: Any) -> None:
    uploaded(visitor)
    support = make_staff("Support")
    before = events()

    assert f"{visitor.row} is extended to" in extend(support, visitor)

    row = visitor.row
    assert row.expires_at == row.extended_until
    assert abs(row.expires_at - timezone.now() - timedelta(days=14)) < timedelta(minutes=1)
    assert events()[len(before) :] == ["session.extended", "staff.session_viewed"]
    log = AuditLog.objects.get(event_type="session.extended")
    assert log.details == {"reason": "away", "until": row.expires_at.isoformat()}
    assert (log.session_uuid, log.actor) == (row.uuid, f"staff:{support.user.pk}")
    age_session(row, timedelta(days=8))  # longer than the idle limit
    assert visitor.current().status_code == 200


def test_using_it_does_not_take_the_time_away_again(visitor: Visitor, make_staff: Any) -> None:
    extend(make_staff("Support"), visitor, 30)
    age_session(visitor.row, timedelta(minutes=5))
    until = visitor.row.extended_until
    assert visitor.current().status_code == 200
    assert visitor.row.expires_at == until
    assert uploaded(visitor).status == "stored"
    assert visitor.row.expires_at == until


def test_when_the_added_time_is_over_it_expires_and_says_why(
    visitor: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")
    extend(support, visitor, 7)
    row = visitor.row
    age_session(row, timedelta(days=7) + SECOND)
    type(row).objects.filter(pk=row.pk).update(extended_until=visitor.row.expires_at)
    assert expire_due_sessions(limit=10) == 1
    assert (visitor.row.status, visitor.row.end_reason) == (SessionStatus.EXPIRED, "extended")
    assert "the extension by staff was over" in shown_text(
        support.get(page_of(visitor.row)).content.decode()
    )


def test_it_ends_30_days_after_its_ordinary_end_at_the_latest(
    visitor: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")
    age_session(visitor.row, settings.SESSION_ABSOLUTE_LIMIT - timedelta(hours=1))
    type(visitor.row).objects.update(expires_at=timezone.now() + timedelta(hours=1))
    for _ in range(3):
        extend(support, visitor, 30)
    assert visitor.row.expires_at <= visitor.row.last_moment + LONGEST_EXTENSION
    assert visitor.row.expires_at > timezone.now() + timedelta(days=29)


def test_it_never_makes_a_session_shorter(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    extend(support, visitor, 30)
    until = visitor.row.expires_at
    extend(support, visitor, 7)
    assert visitor.row.expires_at == until


def test_the_cookie_outlives_what_staff_may_add(visitor: Visitor) -> None:
    max_age = visitor.cookies["maria_session"]["max-age"]
    longest = settings.SESSION_ABSOLUTE_LIMIT + LONGEST_EXTENSION
    assert int(max_age) > longest.total_seconds()


def test_a_session_that_is_over_stays_over(visitor: Visitor, make_staff: Any) -> None:
    visitor.end()
    before, row = events(), visitor.row
    extend(make_staff("Support"), visitor)
    assert visitor.row.expires_at == row.expires_at
    assert [event for event in events() if not event.startswith("staff.")] == before


INCOMPLETE: tuple[dict[str, Any], ...] = (
    {"days": 14}, {"days": 0, "reason": "x"}, {"days": 3650, "reason": "x"}, {"reason": "x"},
)  # fmt: skip


def test_it_asks_again_for_what_is_missing(visitor: Visitor, make_staff: Any) -> None:
    support = make_staff("Support")
    for body in INCOMPLETE:
        page = support.post(page_of(visitor.row, "extend"), body)
        assert page.status_code == 200, body
        assert 'class="errorlist"' in page.content.decode(), body
    assert visitor.row.extended_until is None
    assert "session.extended" not in events()


def test_t64_no_one_else_extends(visitor: Visitor, make_staff: Any) -> None:
    for role in ("", "Auditor", "Operator"):
        answer = make_staff(role).post(page_of(visitor.row, "extend"), {"days": 7, "reason": "x"})
        assert answer.status_code == 403, role
    assert visitor.row.extended_until is None

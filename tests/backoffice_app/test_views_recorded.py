"""Views of session pages are recorded, once an hour for each staff member."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from tests.backoffice_app.pages import list_of, page_of, shown_text
from tests.helpers import Visitor, started, uploaded

VIEWED = "staff.session_viewed"


def views() -> list[tuple[str, str]]:
    """Return actor and session of each recorded view, in order."""
    seen = AuditLog.objects.filter(event_type=VIEWED).order_by("id")
    return [(log.actor, str(log.session_uuid)) for log in seen]


def open_page(staff: Client, visitor: Visitor) -> None:
    assert staff.get(page_of(visitor.row)).status_code == 200


@pytest.mark.parametrize(("seconds", "count"), [(3599, 1), (3600, 2), (3601, 2)])
def test_a_second_view_is_recorded_after_an_hour(
    visitor: Visitor, make_staff: Any, settings: Any, seconds: int, count: int
) -> None:
    settings.STAFF_IDLE_LIMIT = timedelta(hours=2)
    support = make_staff("Support")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        open_page(support, visitor)
        clock.shift(timedelta(seconds=seconds))
        open_page(support, visitor)
    assert views() == [(f"staff:{support.user.pk}", visitor.uuid)] * count


@pytest.mark.both
def test_each_person_and_session_is_recorded_separately(make_staff: Any) -> None:
    one, other = started(), started()
    support, auditor = make_staff("Support"), make_staff("Auditor")
    for staff, visitor in ((support, one), (auditor, one), (support, other), (support, one)):
        open_page(staff, visitor)
    me, them = f"staff:{support.user.pk}", f"staff:{auditor.user.pk}"
    assert views() == [(me, one.uuid), (them, one.uuid), (me, other.uuid)]


def test_the_page_of_a_file_or_event_is_a_view_of_its_session(
    visitor: Visitor, make_staff: Any
) -> None:
    upload = uploaded(visitor)
    stored = AuditLog.objects.get(event_type="upload.stored")
    by_file, by_event = make_staff("Support"), make_staff("Support")
    by_file.get(page_of(upload))
    by_event.get(page_of(stored))
    open_page(by_event, visitor)
    assert [actor for actor, _ in views()] == [
        f"staff:{by_file.user.pk}",
        f"staff:{by_event.user.pk}",
    ]


def test_lists_and_denied_pages_are_not_views(visitor: Visitor, make_staff: Any) -> None:
    upload = uploaded(visitor)
    make_staff("Support").get(list_of(type(visitor.row)))
    operator = make_staff("Operator")
    for url in (page_of(visitor.row), page_of(upload)):
        assert operator.get(url).status_code == 403
    assert Client().get(page_of(visitor.row)).status_code == 302
    assert views() == []


def test_an_auditor_can_read_who_viewed(visitor: Visitor, make_staff: Any) -> None:
    support, auditor = make_staff("Support"), make_staff("Auditor")
    open_page(support, visitor)
    page = shown_text(auditor.get(f"{page_of(visitor.row)}?show=staff").content.decode())
    assert f"{support.user.username} (Support) viewed this session" in page
    assert f"staff:{support.user.pk}" in page

"""A session's timeline: all events, newest first, with filters and pages."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from audit_app.services import record
from sessions_app import events as session_events
from tests.backoffice_app.pages import page_of, shown_text
from tests.helpers import Visitor, age_session, uploaded
from uploads_app.models import UploadedFile


def timeline_lines(staff: Client, visitor: Visitor, query: str = "") -> list[str]:
    """Return the events that the timeline shows, newest first."""
    html = staff.get(page_of(visitor.row) + query).content.decode()
    section = html[html.index('id="timeline"') :]
    return re.findall(r"<dt>Event</dt><dd><code>([^<]+)</code>", section)


@pytest.mark.both
def test_the_timeline_has_events_of_visitor_files_cleanup_and_staff(
    visitor: Visitor, support: Client
) -> None:
    upload = uploaded(visitor)
    visitor.end()
    age_session(visitor.row, timedelta(days=8))
    call_command("cleanup_orphans", verbosity=0)
    support.post(page_of(visitor.row, "reveal"), {"reason": "to find a lost file"})
    assert timeline_lines(support, visitor) == [
        "staff.session_viewed",
        "staff.personal_data_revealed",
        "upload.deleted",
        "session.ended",
        "upload.stored",
        "session.created",
    ]
    assert page_of(upload) in support.get(page_of(visitor.row)).content.decode()


@pytest.mark.both
@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("session", ["session.ended", "session.created"]),
        ("files", ["upload.deleted", "upload.rejected", "upload.stored"]),
        ("cleanup", ["upload.deleted"]),
        ("staff", ["staff.session_viewed"]),
        ("refused", ["upload.rejected"]),
    ],
)
def test_the_timeline_can_be_filtered(
    visitor: Visitor, support: Client, shown: str, expected: list[str]
) -> None:
    uploaded(visitor)
    assert visitor.upload(b"no pdf").status_code == 415
    visitor.end()
    age_session(visitor.row, timedelta(days=8))
    call_command("cleanup_orphans", verbosity=0)
    assert timeline_lines(support, visitor, f"?show={shown}") == expected
    page = support.get(f"{page_of(visitor.row)}?show={shown}").content.decode()
    assert page.count('aria-current="true"') == 1


@pytest.mark.both
def test_a_long_timeline_has_pages_without_gaps_or_repeats(
    visitor: Visitor, support: Client
) -> None:
    with transaction.atomic():
        for number in range(120):
            record(session_events.EXPIRED, session_uuid=visitor.row.uuid, reason=str(number))
    support.get(page_of(visitor.row))
    everything = AuditLog.objects.about_session(visitor.row.uuid)
    seen, query = 0, ""
    while True:
        html = support.get(page_of(visitor.row) + query).content.decode()
        pks = re.findall(r'/admin/audit_app/auditlog/(\d+)/change/"', html)
        assert pks == [str(log.pk) for log in everything[seen : seen + 50]]
        seen += len(pks)
        older = re.search(r'href="(\?[^"#]*before=[^"#]+)#timeline">Older', html)
        if older is None:
            break
        query = older[1].replace("&amp;", "&")
    assert seen == everything.count() == 122
    assert "This is the start of the session." in html


def test_pending_and_lapsed_files_are_listed_from_their_rows(
    visitor: Visitor, support: Client
) -> None:
    for number, status in enumerate(("pending", "lapsed")):
        UploadedFile.objects.create(
            session=visitor.row, key=f"uploads/{visitor.uuid}/{number}.pdf", name="Akte.pdf",
            status=status, size=1, content_type="application/pdf", lease_expires_at=timezone.now(),
        )  # fmt: skip
    page = shown_text(support.get(page_of(visitor.row)).content.decode())
    assert "The upload of A•••.pdf is in progress." in page
    assert "The upload of A•••.pdf was never finished." in page
    assert "Akte.pdf" not in page
    assert timeline_lines(support, visitor, "?show=cleanup") == []


ODD_QUERIES = (
    "?show=nonsense", "?before=x", "?before=2026-01-01,1", "?before=2026-13-01T00:00:00%2B00:00,1",
    "?before=2026-01-01T00:00:00%2B00:00,x", "?before=2026-01-01T00:00:00%2B00:00,9999999999999999999999",
    "?before=0001-01-01T00:00:00%2B14:00,1", "?show=%3Cscript%3E&before=%00", "?before=,",
)  # fmt: skip


def test_invalid_query_parameters_show_the_page(visitor: Visitor, support: Client) -> None:
    for query in ODD_QUERIES:
        answer = support.get(page_of(visitor.row) + query)
        assert answer.status_code in (200, 400), query
        assert b"<script>" not in answer.content, query


def test_the_timeline_links_to_all_events_of_a_request(visitor: Visitor, support: Client) -> None:
    first = visitor.row
    visitor.reset()
    reset = AuditLog.objects.get(event_type="session.reset")
    html = support.get(page_of(first)).content.decode()
    link = re.search(rf'href="([^"]+{reset.request_id}[^"]*)"', html)
    assert link is not None
    page = shown_text(support.get(link[1].replace("&amp;", "&")).content.decode())
    assert "session.reset" in page
    assert "session.created" in page

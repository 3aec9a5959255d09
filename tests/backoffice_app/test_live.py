"""Live pages: what a poll answers, what it costs, and that it is not an activity."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_q.models import Schedule

from audit_app.models import AuditLog
from tests.backoffice_app.pages import list_of, page_of, shown_text
from tests.helpers import Visitor, uploaded
from uploads_app.models import CleanupRun, RunStatus, UploadedFile
from uploads_app.services.inspection import quarantine_upload

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
# The staff session, the account, its own permissions and those of its groups.
SIGNED_IN = 4


@pytest.fixture(autouse=True)
def clock(db: None) -> Iterator[Any]:
    """A frozen clock: a revision changes with each minute."""
    with time_machine.travel(timezone.now().replace(second=1), tick=False) as clock:
        yield clock


def live(visitor: Visitor) -> str:
    return page_of(visitor.row, "live")


DASHBOARD, QUEUE = reverse("admin:live"), list_of(Schedule, "live")


class OpenPage:
    """A page in a browser that polls an address, as live.js does."""

    def __init__(self, client: Client, page: str, address: str) -> None:
        self.client, self.address = client, address
        html = client.get(page).content.decode()
        self.revision = html.partition('data-live-revision="')[2].partition('">')[0]
        self.revision = self.revision.replace("&quot;", '"')
        assert f'data-live-address="{address}"' in html

    def poll(self) -> str:
        """Return the new content as text, empty if nothing has changed."""
        answer = self.client.get(self.address, HTTP_IF_NONE_MATCH=self.revision)
        assert answer["Cache-Control"].count("no-store")
        if answer.status_code == 304:
            return ""
        assert answer.status_code == 200
        self.revision = answer["ETag"]
        return shown_text(answer.content.decode())


def page_of_session(client: Client, visitor: Visitor) -> OpenPage:
    return OpenPage(client, page_of(visitor.row), live(visitor))


def rows() -> list[Any]:
    """Return everything that a poll could write."""
    tables = sorted(connection.introspection.table_names())
    with connection.cursor() as cursor:
        found = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')
            found.append((table, sorted(map(repr, cursor.fetchall()))))
    return found


@pytest.mark.both
def test_a_session_page_renews_what_has_changed(support: Client, visitor: Visitor) -> None:
    page = page_of_session(support, visitor)
    assert page.poll() == ""
    upload = uploaded(visitor)
    assert "upload.stored" in page.poll()
    assert page.poll() == ""
    UploadedFile.objects.filter(pk=upload.pk).update(inspection="clean")
    assert "Clean" in page.poll()
    quarantine_upload(upload=upload, reason="looks odd")
    assert "Quarantined" in page.poll()
    visitor.end()
    assert "Ended by its visitor" in page.poll()
    assert page.poll() == ""


@pytest.mark.both
def test_the_dashboard_and_the_queue_renew(support: Client) -> None:
    dashboard, queue = (
        OpenPage(support, "/admin/", DASHBOARD),
        OpenPage(support, list_of(Schedule), QUEUE),
    )
    assert dashboard.poll() == queue.poll() == ""
    CleanupRun.objects.create(
        status=RunStatus.STOPPED, stop_code="marker_missing", stop_sentence="The marker is missing.",
        actor="system", grace=MINUTE, limit=1, finished_at=timezone.now(),
    )  # fmt: skip
    assert "The marker is missing." in dashboard.poll()
    assert queue.poll()
    assert dashboard.poll() == queue.poll() == ""


@pytest.mark.both
def test_a_poll_writes_and_records_nothing(
    make_staff: Any, visitor: Visitor, clock: Any, settings: Any
) -> None:
    settings.STAFF_IDLE_LIMIT = 3 * HOUR
    support = make_staff("Support")
    pages = [
        page_of_session(support, visitor),
        OpenPage(support, "/admin/", DASHBOARD),
        OpenPage(support, list_of(Schedule), QUEUE),
    ]
    clock.shift(3 * HOUR - MINUTE)
    uploaded(visitor)
    before = rows()
    assert all(page.poll() for page in pages)
    assert [page.poll() for page in pages] == ["", "", ""]
    assert rows() == before
    # So the staff session ends as if without_group had polled.
    clock.shift(2 * MINUTE)
    answer = support.get(DASHBOARD)
    assert (answer.status_code, answer.content) == (401, b"")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.both
def test_a_poll_without_an_open_page_is_recorded_as_a_view(
    support: Client, visitor: Visitor
) -> None:
    def viewed() -> int:
        return AuditLog.objects.filter(event_type="staff.session_viewed").count()

    assert support.get(live(visitor)).status_code == 200
    assert viewed() == 1
    support.get(live(visitor))
    assert viewed() == 1


@pytest.mark.both
def test_a_poll_costs_at_most_two_statements(support: Client, visitor: Visitor) -> None:
    for number in range(3):
        uploaded(visitor, name=f"{number}.pdf")
    for page, most in (
        (page_of_session(support, visitor), 2),
        (OpenPage(support, "/admin/", DASHBOARD), 1),
        (OpenPage(support, list_of(Schedule), QUEUE), 1),
    ):
        with CaptureQueriesContext(connection) as captured:
            assert page.poll() == ""
        assert len(captured) <= SIGNED_IN + most, page.address
        sql = " ".join(query["sql"] for query in captured.captured_queries)
        assert "FOR UPDATE" not in sql


@pytest.mark.parametrize("name", ["live", "live_attention", "django_q_schedule_live"])
def test_t64_a_poll_is_answered_401_after_the_sign_out(support: Client, name: str) -> None:
    address = reverse(f"admin:{name}")
    assert support.get(address).status_code == 200
    support.post("/admin/logout/")
    assert support.get(address).status_code == 401
    assert Client().get(address).status_code == 401


def test_t64_polls_need_the_permission_of_their_page(visitor: Visitor, make_staff: Any) -> None:
    operator, without_group, support = make_staff("Operator"), make_staff(), make_staff("Support")
    assert Client().get(live(visitor)).status_code == 401
    assert operator.get(live(visitor)).status_code == 403
    revision = OpenPage(support, list_of(Schedule), QUEUE).revision
    assert without_group.get(QUEUE, HTTP_IF_NONE_MATCH=revision).status_code == 403


def test_values_are_masked_as_soon_as_the_reveal_is_over(
    support: Client, visitor: Visitor, clock: Any
) -> None:
    uploaded(visitor, name="diagnosis.pdf")
    clock.shift(timedelta(seconds=30))
    support.post(page_of(visitor.row, "reveal"), {"why": "To find a lost file"})
    page = page_of_session(support, visitor)
    clock.shift(15 * MINUTE - timedelta(seconds=10))
    assert "diagnosis.pdf" in page.poll()
    assert page.poll() == ""
    # Within the same minute.
    clock.shift(timedelta(seconds=11))
    assert "diagnosis.pdf" not in (masked := page.poll())
    assert "d•••.pdf" in masked

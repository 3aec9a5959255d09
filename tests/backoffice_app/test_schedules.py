"""Schedules in the admin: the task, the last result and the next run."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from django_q.models import Failure, Schedule, Success

from tests.backoffice_app.pages import inline_code, list_of, page_of, shown_text
from tests.uploads_app.cleanup.cleanup_support import use_store
from uploads_app.tasks import cleanup_orphans

SCHEDULES = list_of(Schedule)
CLEANUP = "clean up orphans"


def ended(name: str, kind: Any, ago: timedelta = timedelta(0)) -> None:
    """Create the result row of a schedule's task, as django-q2 does."""
    then = timezone.now() - ago
    kind.objects.create(
        id=f"{name[:8]}{ago}"[:32], name="x", func="x", group=name, started=then, stopped=then,
        success=kind is Success,
    )  # fmt: skip


def row_of(client: Any, name: str) -> str:
    """Return the visible text of a schedule's row."""
    page = client.get(SCHEDULES).content.decode()
    (row,) = [part for part in page.split("<tr>") if f">{name}</a>" in part]
    return shown_text(row.split("</tr>")[0].replace("<td", " <td"))


@pytest.mark.parametrize("role", ["Support", "Auditor", "Operator"])
def test_every_group_can_read_schedules_and_change_none(
    db: None, make_staff: Any, role: str
) -> None:
    client = make_staff(role)
    for schedule in Schedule.objects.all():
        row = row_of(client, schedule.name)
        assert f" {schedule.minutes} min " in row
        assert "– none yet " in row
        assert client.get(page_of(schedule)).status_code == 200
        assert client.post(page_of(schedule), {"func": "os.system"}).status_code == 403
    assert "Run the scheduled cleanup" in row_of(client, CLEANUP)
    assert "Mail the administrators if" in row_of(client, "watch the cleanup")
    assert not Schedule.objects.filter(func="os.system").exists()


@pytest.mark.both
def test_the_last_result_is_shown(db: None, make_staff: Any) -> None:
    client = make_staff("Operator")
    ended("expire sessions", Success, timedelta(minutes=10))
    assert " OK " in row_of(client, "expire sessions")
    ended("expire sessions", Failure, timedelta(minutes=5))
    assert " failed " in row_of(client, "expire sessions")
    ended("another", Success)
    assert " failed " in row_of(client, "expire sessions")
    ended("expire sessions", Success)
    assert " OK " in row_of(client, "expire sessions")


def test_a_stopped_cleanup_is_not_shown_as_ok(db: None, make_staff: Any, settings: Any) -> None:
    client = make_staff("Operator")
    ended(CLEANUP, Success)
    cleanup_orphans()
    assert " Completed " in row_of(client, CLEANUP)
    use_store(settings, clock_off=timedelta(hours=1))
    cleanup_orphans()
    assert " Stopped " in row_of(client, CLEANUP)


def test_without_schedules_the_list_is_empty(db: None, make_staff: Any) -> None:
    Schedule.objects.all().delete()
    page = make_staff("Operator").get(SCHEDULES).content.decode()
    assert "There are no scheduled tasks yet." in shown_text(page)
    assert inline_code(page) == []


@pytest.mark.both
@pytest.mark.usefixtures("extended_once")
def test_the_list_has_a_constant_number_of_queries(
    db: None, make_staff: Any, django_assert_max_num_queries: Any
) -> None:
    client = make_staff("Operator")
    for number in range(30):
        Schedule.objects.create(name=f"s{number}", func="uploads_app.tasks.watch_cleanup")
        ended(f"s{number}", Success)
    with django_assert_max_num_queries(15):
        client.get(SCHEDULES)

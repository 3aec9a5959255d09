"""Counting for the dashboard: late commits, missed hours and slow counts; nothing counted twice."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from audit_app.models import AuditLog
from backoffice_app.dashboard.counting import HOUR, KEPT, hour_of
from backoffice_app.models import FigureName, HourlyFigure
from maria_project.tasks import count_figures
from sessions_app.models import UserSession
from tests.helpers import started, uploaded

pytestmark = pytest.mark.both

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock(db: None) -> Iterator[Any]:
    """A frozen clock in the middle of an hour."""
    with time_machine.travel(timezone.now().replace(minute=30), tick=False) as clock:
        yield clock


def counted(name: FigureName = FigureName.STARTED) -> dict[datetime, int]:
    """Return the figures of each hour."""
    rows = HourlyFigure.objects.filter(name=name).order_by("hour")
    return dict(rows.values_list("hour", "value"))


def late_session(began: datetime) -> None:
    """Create a session with an earlier time, committed now."""
    UserSession.objects.filter(pk=started().uuid).update(created_at=began)


def test_counting_again_changes_nothing(clock: Any) -> None:
    uploaded(started())
    first = count_figures(), counted(), counted(FigureName.UPLOADS)
    clock.shift(MINUTE)
    assert (count_figures(), counted(), counted(FigureName.UPLOADS)) == first
    assert first[1] == {hour_of(timezone.now()): 1}


def test_late_commits_are_counted_after_the_hour(clock: Any) -> None:
    started()
    began = timezone.now()
    clock.shift(40 * MINUTE)
    count_figures()
    assert counted()[hour_of(began)] == 1
    clock.shift(49 * MINUTE)
    late_session(began)
    count_figures()
    assert counted()[hour_of(began)] == 2


def test_an_hour_is_settled_an_hour_after_its_end(clock: Any) -> None:
    started()
    began = timezone.now()
    clock.shift(90 * MINUTE)
    count_figures()
    at = HourlyFigure.objects.values_list("counted_at", flat=True)
    settled = at.get(hour=hour_of(began), name=FigureName.STARTED)
    clock.shift(MINUTE)
    count_figures()
    assert at.get(hour=hour_of(began), name=FigureName.STARTED) == settled
    assert at.get(hour=hour_of(timezone.now()), name=FigureName.STARTED) == settled + MINUTE


def test_hours_without_a_worker_are_counted_later(clock: Any) -> None:
    hours = []
    started()
    count_figures()
    for _ in range(3):
        started()
        hours.append(hour_of(timezone.now()))
        clock.shift(HOUR)
    count_figures()
    assert counted() == {hours[0]: 2, hours[1]: 1, hours[2]: 1, hour_of(timezone.now()): 0}


def test_hours_before_the_first_event_are_not_counted(clock: Any) -> None:
    count_figures()
    assert counted().keys() == {hour_of(timezone.now())}


def test_old_hours_are_deleted_and_not_counted_again(clock: Any) -> None:
    started()
    first = hour_of(timezone.now())
    count_figures()
    clock.shift(KEPT)
    AuditLog.objects.bulk_create([AuditLog(occurred_at=timezone.now() - HOUR, text="{}")])
    HourlyFigure.objects.bulk_create(
        HourlyFigure(
            name=name, hour=first + number * HOUR, value=7, counted_at=timezone.now(), took=0 * HOUR
        )
        for name in (FigureName.STARTED, FigureName.EXPIRED, FigureName.UPLOADS, FigureName.REFUSED)
        for number in range(1, KEPT // HOUR - 1)
    )
    count_figures()
    assert first in counted()
    clock.shift(HOUR)
    count_figures()
    assert first not in counted()
    assert min(counted()) == first + HOUR


def test_only_the_newest_current_value_is_kept(clock: Any) -> None:
    started()
    count_figures()
    clock.shift(HOUR)
    started()
    count_figures()
    assert counted(FigureName.ACTIVE) == {hour_of(timezone.now()): 2}


@pytest.mark.parametrize(("ago", "value"), [(19 * MINUTE, 1), (20 * MINUTE, 2)])
def test_slow_counts_run_less_often(clock: Any, ago: timedelta, value: int) -> None:
    started()
    count_figures()
    HourlyFigure.objects.filter(name=FigureName.STARTED).update(took=MINUTE)
    started()
    clock.shift(ago)
    count_figures()
    assert counted()[hour_of(timezone.now())] == value

"""Audit events have the database's time, on a host whose clock is wrong."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.utils import timezone

from audit_app.models import AuditLog
from common.clock import DATABASE_CLOCK
from tests.helpers import started

pytestmark = pytest.mark.both

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def measured_clock_is_dropped() -> Iterator[None]:
    yield
    DATABASE_CLOCK.offset = timedelta(0)


@pytest.mark.parametrize("off", [10 * MINUTE, -10 * MINUTE], ids=str)
def test_an_event_of_a_host_with_a_wrong_clock_has_the_right_time(db: None, off: timedelta) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock of its own")
    with time_machine.travel(timezone.now() + off, tick=True):
        DATABASE_CLOCK.measure()
        started()

    assert abs(AuditLog.objects.latest("id").occurred_at - timezone.now()) < MINUTE
    assert abs(DATABASE_CLOCK.offset - off) < MINUTE


def test_a_comparison_that_took_too_long_is_dropped(db: None) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no clock of its own")
    with time_machine.travel(timezone.now() + 10 * MINUTE, tick=True) as clock:

        def slow(execute: object, *arguments: object) -> object:
            clock.shift(2)
            return execute(*arguments)  # type: ignore[operator]

        with connection.execute_wrapper(slow):
            DATABASE_CLOCK.measure()

    assert timedelta(0) == DATABASE_CLOCK.offset

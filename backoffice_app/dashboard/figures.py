"""Reads the hourly figures and sums them up over periods of time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

from django.db.models import Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.formats import date_format

from backoffice_app.dashboard.charts import AxisSlot
from backoffice_app.dashboard.counting import HOUR, hour_of
from backoffice_app.models import FigureName, HourlyFigure


@dataclass(frozen=True)
class Period:
    """A period cut into slots. Slot n lasts from `edges[n]` until `edges[n + 1]`.

    `before` are the edges of the same period before it.
    """

    name: str
    title: str
    axis: str
    edges: Sequence[datetime]
    before: Sequence[datetime]
    slots: Sequence[AxisSlot]


class Figures:
    """The figures counted since a time, by name and hour."""

    def __init__(self, since: datetime) -> None:
        rows = HourlyFigure.objects.filter(hour__gte=since).order_by("hour")
        self._hours: dict[str, list[datetime]] = defaultdict(list)
        self._values: dict[str, list[int]] = defaultdict(list)
        self.counted_at: datetime | None = None
        for name, hour, value, at in rows.values_list("name", "hour", "value", "counted_at"):
            self._hours[name].append(hour)
            self._values[name].append(value)
            self.counted_at = max(at, self.counted_at or at)

    def between(self, name: FigureName, since: datetime, until: datetime) -> int | None:
        """Return the sum over the hours that begin in a period; None if none was counted."""
        hours = self._hours[name]
        values = self._values[name][bisect_left(hours, since) : bisect_left(hours, until)]
        return sum(values) if values else None

    def now(self, name: FigureName) -> int | None:
        """Return the newest value; None if none was counted."""
        return next(reversed(self._values[name]), None)

    def in_slots(self, name: FigureName, edges: Sequence[datetime]) -> list[int | None]:
        """Return the sum of each slot between two edges."""
        return [self.between(name, since, until) for since, until in pairwise(edges)]


class DailyFigures:
    """The figures of whole days in the reader's time zone, summed up by the database.

    Two months of hours are too many rows to read for a page.
    """

    def __init__(self, since: datetime) -> None:
        day = TruncDate("hour", tzinfo=timezone.get_current_timezone())
        rows = HourlyFigure.objects.filter(hour__gte=since).order_by()
        sums = rows.values_list("name", day).annotate(sum=Sum("value"))
        self._sums: dict[tuple[str, date], int] = {(name, on): value for name, on, value in sums}

    def in_slots(self, name: FigureName, edges: Sequence[datetime]) -> list[int | None]:
        return [self._sums.get((name, timezone.localdate(edge))) for edge in edges[:-1]]


def last_day(now: datetime) -> Period:
    """Return the current hour and the 23 hours before it."""
    first = hour_of(now) - 23 * HOUR
    edges = [first + nth * HOUR for nth in range(25)]
    starts = [timezone.localtime(edge) for edge in edges[:-1]]
    slots = [
        AxisSlot(date_format(start, "D H:i"), date_format(start, "H:i") if nth % 6 == 2 else "")
        for nth, start in enumerate(starts)
    ]
    before = [edge - 24 * HOUR for edge in edges]
    return Period("day", "24 hours", "start of the hour", edges, before, slots)


def last_week(now: datetime) -> Period:
    """Return today and the six days before it, in the reader's time zone."""
    return _last_days("week", now, 7, marked=1)


def last_month(now: datetime) -> Period:
    """Return today and the 29 days before it, in the reader's time zone."""
    return _last_days("month", now, 30, marked=6)


def _last_days(name: str, now: datetime, number: int, *, marked: int) -> Period:
    """Return days of which each `marked`th has a label below the axis."""
    first = timezone.localdate(now) - timedelta(days=number - 1)
    days = [first + timedelta(days=nth) for nth in range(number)]
    slots = [
        AxisSlot(date_format(one, "D Y-m-d"), "" if nth % marked else date_format(one, "D j"))
        for nth, one in enumerate(days)
    ]
    edges = _midnights(first, number)
    before = _midnights(first - timedelta(days=number), number)
    return Period(name, f"{number} days", "day", edges, before, slots)


def _midnights(first: date, days: int) -> list[datetime]:
    zone = timezone.get_current_timezone()
    dates = [first + timedelta(days=nth) for nth in range(days + 1)]
    return [datetime.combine(one, time(), zone).astimezone(UTC) for one in dates]


PERIODS = {"day": last_day, "week": last_week, "month": last_month}

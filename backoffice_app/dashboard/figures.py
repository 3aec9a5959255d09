"""Reads the hourly figures and sums them up over periods of time."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from django.utils import timezone
from django.utils.formats import date_format

from backoffice_app.dashboard.charts import AxisSlot
from backoffice_app.dashboard.counting import HOUR, hour_of
from backoffice_app.models import FigureName, HourlyFigure

DAYS = 7


@dataclass(frozen=True)
class Period:
    """A period cut into slots. Slot n lasts from `edges[n]` until `edges[n + 1]`."""

    name: str
    title: str
    axis: str
    edges: Sequence[datetime]
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

    def in_slots(self, name: FigureName, period: Period) -> list[int | None]:
        """Return the sum of each slot."""
        pairs = zip(period.edges, period.edges[1:], strict=False)
        return [self.between(name, since, until) for since, until in pairs]


def last_day(now: datetime) -> Period:
    """Return the current hour and the 23 hours before it."""
    first = hour_of(now) - 23 * HOUR
    edges = [first + nth * HOUR for nth in range(25)]
    starts = [timezone.localtime(edge) for edge in edges[:-1]]
    slots = [
        AxisSlot(date_format(start, "D H:i"), date_format(start, "H:i") if nth % 6 == 2 else "")
        for nth, start in enumerate(starts)
    ]
    return Period("day", "24 hours", "start of the hour", edges, slots)


def last_week(now: datetime) -> Period:
    """Return today and the six days before it, in the reader's time zone."""
    zone, today = timezone.get_current_timezone(), timezone.localdate(now)
    days = [today - timedelta(days=nth) for nth in range(DAYS - 1, -2, -1)]
    edges = [datetime.combine(one, time(), zone).astimezone(UTC) for one in days]
    slots = [AxisSlot(date_format(one, "D Y-m-d"), date_format(one, "D j")) for one in days[:-1]]
    return Period("week", f"{DAYS} days", "day", edges, slots)

"""What the admin's first page tells of the product, as far as its reader may know.

Nothing is counted for it: the worker has done that, see counting.py. Each
number leads to the list it was counted from; where a staff member may not open
that list, there is no number.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django_q.models import OrmQ, Schedule

from audit_app import browser
from audit_app.events import RATE_LIMIT_EXCEEDED
from audit_app.models import AuditLog
from backoffice_app import charts
from backoffice_app.counting import HOUR, hour_of
from backoffice_app.models import FigureName, HourlyFigure
from common.worker import heartbeat_age
from sessions_app import events as session_events
from sessions_app.models import UserSession
from uploads_app.models import CleanupRun, QuarantinedObject, UploadedFile

# Counting is scheduled for each minute, and may have to wait behind long tasks.
PATIENCE = timedelta(minutes=5)
# A queue this long is told as "1,000 or more": counting it takes no longer than that.
QUEUE_SHOWN = 1000
DAYS = 7


@dataclass(frozen=True)
class ListLink:
    """The list that a number was counted from: the query that narrows it, and by which time."""

    model: type[Model]
    query: Mapping[str, str] = field(default_factory=dict)
    time: str = ""


@dataclass(frozen=True)
class TilePart:
    """A number in words, and the address of the list behind it."""

    text: str
    link: str


@dataclass(frozen=True)
class Tile:
    """What is told of one thing: the number that matters, and what else is known."""

    label: str
    value: TilePart
    more: tuple[TilePart, ...] = ()


@dataclass(frozen=True)
class Period:
    """A stretch of time cut into slots; slot n is from `edges[n]` until `edges[n + 1]`."""

    name: str
    title: str
    axis: str
    edges: Sequence[datetime]
    slots: Sequence[charts.AxisSlot]


class Figures:
    """What has been counted since a moment, by name and hour."""

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
        """Return what was counted in the hours that begin in a stretch of time, None if nobody has."""
        hours = self._hours[name]
        values = self._values[name][bisect_left(hours, since) : bisect_left(hours, until)]
        return sum(values) if values else None

    def now(self, name: FigureName) -> int | None:
        """Return what there was when it was last looked at."""
        return next(reversed(self._values[name]), None)


def _audit(kind: str) -> ListLink:
    return ListLink(AuditLog, {"type": kind}, "since")


def _status(model: type[Model], status: str) -> ListLink:
    return ListLink(model, {"status__exact": status})


_UPLOADED = ListLink(UploadedFile, {"arrived": "whole"}, "created_at__gte")
BEHIND: dict[FigureName, ListLink] = {
    FigureName.STARTED: ListLink(UserSession, time="created_at__gte"),
    FigureName.EXPIRED: _audit(session_events.EXPIRED.name),
    FigureName.UPLOADS: _UPLOADED,
    FigureName.UPLOADED_BYTES: _UPLOADED,
    FigureName.REFUSED: _audit(browser.REFUSALS),
    FigureName.LIMITED: _audit(RATE_LIMIT_EXCEEDED.name),
    FigureName.ACTIVE: _status(UserSession, "active"),
    FigureName.STORED_FILES: _status(UploadedFile, "stored"),
    FigureName.STORED_BYTES: _status(UploadedFile, "stored"),
    FigureName.QUARANTINED_FILES: _status(UploadedFile, "quarantined"),
    FigureName.QUARANTINED_BYTES: _status(UploadedFile, "quarantined"),
    FigureName.TRASHED_OBJECTS: _status(QuarantinedObject, "quarantined"),
    FigureName.TRASHED_BYTES: _status(QuarantinedObject, "quarantined"),
}
BYTES = {
    FigureName.UPLOADED_BYTES,
    FigureName.STORED_BYTES,
    FigureName.QUARANTINED_BYTES,
    FigureName.TRASHED_BYTES,
}
# Each chart: its name, title and unit, and what its bars tell.
CHARTS: tuple[tuple[str, str, str, dict[FigureName, str]], ...] = (
    (
        "sessions",
        "Sessions",
        "sessions",
        {FigureName.STARTED: "started", FigureName.EXPIRED: "expired"},
    ),
    ("uploads", "Files uploaded", "files", {FigureName.UPLOADS: "uploaded"}),
    ("bytes", "Bytes uploaded", "bytes", {FigureName.UPLOADED_BYTES: "uploaded"}),
    (
        "refusals",
        "Requests turned away",
        "requests",
        {FigureName.REFUSED: "refused", FigureName.LIMITED: "over a limit"},
    ),
)


class FigureReader:
    """A staff member who looks: which lists they may open, and where those are."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def may_open(self, model: type[Model]) -> bool:
        """Say whether they may open a model's list."""
        return admin.site.get_model_admin(model).has_view_permission(self._request)

    def link(self, behind: ListLink, since: datetime | None = None) -> str:
        """Return the address of a list; empty where they may not open it."""
        if not self.may_open(behind.model):
            return ""
        query = dict(behind.query)
        if since:
            query[behind.time] = since.isoformat()
        meta = behind.model._meta
        page = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        return f"{page}?{urlencode(query)}" if query else page


def build_overview(request: HttpRequest) -> dict[str, Any]:
    """Return what the templates in `backoffice/dashboard/` show to who asks."""
    reader, now = FigureReader(request), timezone.now()
    day, week = last_day(now), last_week(now)
    figures = Figures(min(day.edges[0], week.edges[0]) - HOUR)
    groups = {
        "Sessions": _happened(reader, figures, day, week, FigureName.STARTED, FigureName.EXPIRED)
        + _lasting(reader, figures, {"Active now": (FigureName.ACTIVE,)}),
        "Uploads": _happened(
            reader, figures, day, week, FigureName.UPLOADS, FigureName.UPLOADED_BYTES
        ),
        "Turned away": _happened(
            reader, figures, day, week, FigureName.REFUSED, FigureName.LIMITED
        ),
        "Storage": _lasting(
            reader,
            figures,
            {
                "Stored": (FigureName.STORED_FILES, FigureName.STORED_BYTES),
                "In quarantine": (FigureName.QUARANTINED_FILES, FigureName.QUARANTINED_BYTES),
                "Put aside by the cleanup": (FigureName.TRASHED_OBJECTS, FigureName.TRASHED_BYTES),
            },
        ),
        "Queue": _queue(reader),
    }
    age = now - figures.counted_at if figures.counted_at else None
    return {
        "counted_at": figures.counted_at,
        "late_minutes": age // timedelta(minutes=1) if age and age > PATIENCE else 0,
        "groups": {title: tiles for title, tiles in groups.items() if tiles},
        "cleanup_runs": reader.link(ListLink(CleanupRun)),
        "periods": [
            (period.title, drawn)
            for period in (day, week)
            if (drawn := list(_charts(reader, figures, period)))
        ],
    }


def last_day(now: datetime) -> Period:
    """Return the last 24 hours, of which the one under way is one."""
    first = hour_of(now) - 23 * HOUR
    edges = [first + nth * HOUR for nth in range(25)]
    begins = [timezone.localtime(edge) for edge in edges[:-1]]
    slots = [
        charts.AxisSlot(
            date_format(begin, "D H:i"), date_format(begin, "H:i") if nth % 6 == 2 else ""
        )
        for nth, begin in enumerate(begins)
    ]
    return Period("day", "24 hours", "hour that begins at", edges, slots)


def last_week(now: datetime) -> Period:
    """Return seven days by the reader's calendar, of which today is one."""
    zone, today = timezone.get_current_timezone(), timezone.localdate(now)
    days = [today - timedelta(days=nth) for nth in range(DAYS - 1, -2, -1)]
    edges = [datetime.combine(one, time(), zone).astimezone(UTC) for one in days]
    slots = [
        charts.AxisSlot(date_format(one, "D Y-m-d"), date_format(one, "D j")) for one in days[:-1]
    ]
    return Period("week", f"{DAYS} days", "day", edges, slots)


def _happened(
    reader: FigureReader, figures: Figures, day: Period, week: Period, *names: FigureName
) -> list[Tile]:
    """Tell what happened in 24 hours, and in 7 days beside it."""
    tiles = []
    for name in names:
        if reader.may_open(BEHIND[name].model):
            parts = [
                TilePart(
                    _words(name, figures.between(name, period.edges[0], period.edges[-1])),
                    reader.link(BEHIND[name], period.edges[0]),
                )
                for period in (day, week)
            ]
            in_week = TilePart(f"{parts[1].text} in {week.title}", parts[1].link)
            tiles.append(Tile(f"{name.label.capitalize()} in {day.title}", parts[0], (in_week,)))
    return tiles


def _lasting(
    reader: FigureReader, figures: Figures, tiles: Mapping[str, tuple[FigureName, ...]]
) -> list[Tile]:
    """Tell what there is; each tile's names lead to the same list."""
    shown = []
    for label, names in tiles.items():
        if link := reader.link(BEHIND[names[0]]):
            number, *more = [TilePart(_words(name, figures.now(name)), link) for name in names]
            shown.append(Tile(label, number, tuple(more)))
    return shown


def _words(name: FigureName, value: int | None) -> str:
    return charts.size(value) if name in BYTES else charts.number(value)


def _queue(reader: FigureReader) -> list[Tile]:
    if not (link := reader.link(ListLink(Schedule))):
        return []
    waiting = len(OrmQ.objects.order_by("pk").values_list("pk")[:QUEUE_SHOWN])
    number = f"{waiting:,}" + (" or more" if waiting == QUEUE_SHOWN else "")
    age = heartbeat_age()
    beat = f"{age // timedelta(seconds=1):,} s ago" if age is not None else "never"
    return [
        Tile("Tasks waiting or under way", TilePart(number, link)),
        Tile("Last sign of a worker", TilePart(beat, link)),
    ]


def _charts(reader: FigureReader, figures: Figures, period: Period) -> Iterable[charts.Chart]:
    for key, title, unit, names in CHARTS:
        series = [
            charts.Series(label, _values(figures, name, period))
            for name, label in names.items()
            if reader.may_open(BEHIND[name].model)
        ]
        if series:
            yield charts.draw(
                name=f"chart-{key}-{period.name}",
                title=f"{title}, {period.title}",
                axis=period.axis,
                unit=unit,
                slots=period.slots,
                series=series,
            )


def _values(figures: Figures, name: FigureName, period: Period) -> list[int | None]:
    pairs = zip(period.edges, period.edges[1:], strict=False)
    return [figures.between(name, since, until) for since, until in pairs]

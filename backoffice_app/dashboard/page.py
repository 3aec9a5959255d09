"""The dashboard: the admin's first page.

The worker has counted the figures (counting.py), so the page counts nothing.
Each number links to the list that it was counted from. A staff member who may
not open that list does not see the number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django_q.models import OrmQ, Schedule

from backoffice_app.dashboard import charts
from backoffice_app.dashboard.attention import may_see_problems, problems
from backoffice_app.dashboard.counting import HOUR
from backoffice_app.dashboard.figures import (
    PERIODS,
    DailyFigures,
    Figures,
    Period,
    last_day,
    last_week,
)
from backoffice_app.dashboard.lists import LISTS, ListAccess, ListLink
from backoffice_app.hosts.panel import build_panel
from backoffice_app.models import FigureName
from common.worker import heartbeat_age
from uploads_app.models import CleanupRun

# Counting runs every minute, but may wait behind long tasks.
PATIENCE = timedelta(minutes=5)
# A longer queue is shown as "1,000 or more", so that counting it stays cheap.
QUEUE_SHOWN = 1000
_BYTES = {
    FigureName.UPLOADED_BYTES,
    FigureName.STORED_BYTES,
    FigureName.QUARANTINED_BYTES,
    FigureName.TRASHED_BYTES,
}
# Each chart: its name, title and unit, and the label of each series of bars.
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
        "Blocked requests",
        "requests",
        {FigureName.REFUSED: "refused", FigureName.LIMITED: "over a limit"},
    ),
)


@dataclass(frozen=True)
class TilePart:
    """A formatted number and the URL of its list."""

    text: str
    link: str


@dataclass(frozen=True)
class Tile:
    """A labelled number, and further numbers below it."""

    label: str
    value: TilePart
    more: tuple[TilePart, ...] = ()
    # The change against the period before; empty if nothing was counted then.
    trend: str = ""


def build_dashboard(request: HttpRequest) -> dict[str, Any]:
    """Return the context of `backoffice/dashboard/`, limited to what the staff member may see."""
    access, now = ListAccess(request), timezone.now()
    day, week = last_day(now), last_week(now)
    wanted = request.GET.get("period", "")
    shown = PERIODS.get(wanted, last_day)(now)
    figures = Figures(min(day.before[0], week.edges[0]) - HOUR)
    charted = figures if shown.name == day.name else DailyFigures(shown.before[0])
    groups = {
        "Sessions": _period_tiles(
            access, figures, day, week, FigureName.STARTED, FigureName.EXPIRED
        )
        + _current_tiles(access, figures, {"Active now": (FigureName.ACTIVE,)}),
        "Uploads": _period_tiles(
            access, figures, day, week, FigureName.UPLOADS, FigureName.UPLOADED_BYTES
        ),
        "Blocked requests": _period_tiles(
            access, figures, day, week, FigureName.REFUSED, FigureName.LIMITED
        ),
        "Storage": _current_tiles(
            access,
            figures,
            {
                "Stored": (FigureName.STORED_FILES, FigureName.STORED_BYTES),
                "In quarantine": (FigureName.QUARANTINED_FILES, FigureName.QUARANTINED_BYTES),
                "In the trash": (FigureName.TRASHED_OBJECTS, FigureName.TRASHED_BYTES),
            },
        ),
        "Queue": _queue_tiles(access),
    }
    age = now - figures.counted_at if figures.counted_at else None
    return {
        "counted_at": figures.counted_at,
        "late_minutes": age // timedelta(minutes=1) if age and age > PATIENCE else 0,
        "problems": problems(access) if may_see_problems(access) else None,
        "groups": {title: tiles for title, tiles in groups.items() if tiles},
        "cleanup_runs": access.link(ListLink(CleanupRun)),
        "hosts": build_panel() if access.may_open(Schedule) else None,
        "charts": list(_charts(access, charted, shown)),
        "periods": [
            (name, period(now).title, name == shown.name) for name, period in PERIODS.items()
        ],
    }


def _period_tiles(
    access: ListAccess, figures: Figures, day: Period, week: Period, *names: FigureName
) -> list[Tile]:
    """Return a tile for each figure: the sum of 24 hours, and below it that of 7 days."""
    tiles = []
    for name in names:
        if access.may_open(LISTS[name].model):
            parts = [
                TilePart(
                    _words(name, figures.between(name, period.edges[0], period.edges[-1])),
                    access.link(LISTS[name], period.edges[0]),
                )
                for period in (day, week)
            ]
            in_week = TilePart(f"{parts[1].text} in {week.title}", parts[1].link)
            label = f"{name.label.capitalize()} in {day.title}"
            tiles.append(Tile(label, parts[0], (in_week,), _trend(figures, name, day)))
    return tiles


def _trend(figures: Figures, name: FigureName, period: Period) -> str:
    value = figures.between(name, period.edges[0], period.edges[-1]) or 0
    before = figures.between(name, period.before[0], period.before[-1])
    if not before:
        return ""
    change = round(100 * (value - before) / before)
    sign = "▲ " if change > 0 else "▼ " if change < 0 else ""
    return f"{sign}{abs(change):,} % against the {period.title} before"


def _current_tiles(
    access: ListAccess, figures: Figures, tiles: Mapping[str, tuple[FigureName, ...]]
) -> list[Tile]:
    """Return tiles of current values; the figures of one tile have the same list."""
    shown = []
    for label, names in tiles.items():
        if link := access.link(LISTS[names[0]]):
            number, *more = [TilePart(_words(name, figures.now(name)), link) for name in names]
            shown.append(Tile(label, number, tuple(more)))
    return shown


def _words(name: FigureName, value: int | None) -> str:
    return charts.size(value) if name in _BYTES else charts.number(value)


def _queue_tiles(access: ListAccess) -> list[Tile]:
    if not (link := access.link(ListLink(Schedule))):
        return []
    waiting = len(OrmQ.objects.order_by("pk").values_list("pk")[:QUEUE_SHOWN])
    number = f"{waiting:,}" + (" or more" if waiting == QUEUE_SHOWN else "")
    age = heartbeat_age()
    beat = f"{age // timedelta(seconds=1):,} s ago" if age is not None else "never"
    return [
        Tile("Tasks waiting or running", TilePart(number, link)),
        Tile("Worker heartbeat", TilePart(beat, link)),
    ]


def _charts(
    access: ListAccess, figures: Figures | DailyFigures, period: Period
) -> Iterable[charts.Chart]:
    for key, title, unit, names in CHARTS:
        series = [
            (charts.Series(label, figures.in_slots(name, period.edges)), name)
            for name, label in names.items()
            if access.may_open(LISTS[name].model)
        ]
        if series:
            yield charts.draw(
                name=f"chart-{key}-{period.name}",
                title=f"{title}, {period.title}",
                axis=period.axis,
                unit=unit,
                slots=period.slots,
                series=[one for one, _ in series],
                before=charts.Series(
                    f"{series[0][0].label}, {period.title} before",
                    figures.in_slots(series[0][1], period.before),
                ),
            )

"""The timeline by days: its entries in rows, with technical events in a row folded together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import groupby

from django.utils import timezone
from django.utils.formats import date_format

from backoffice_app.timeline import TimelineEntry


@dataclass(frozen=True)
class TimelineRow:
    """One entry, or several technical ones that are shown on demand."""

    entries: Sequence[TimelineEntry]
    is_folded: bool


@dataclass(frozen=True)
class Day:
    """The rows of one day in the time zone of the page."""

    date: date
    label: str
    rows: Sequence[TimelineRow]


def by_days(entries: Iterable[TimelineEntry], *, fold: bool = True) -> list[Day]:
    """Group entries, newest first, by day."""
    days = groupby(entries, key=lambda entry: timezone.localtime(entry.at).date())
    return [Day(day, _label(day), _rows(list(of_day), fold)) for day, of_day in days]


def _label(day: date) -> str:
    today = timezone.localdate()
    names = {today: "Today", today - timedelta(days=1): "Yesterday"}
    return names.get(day) or date_format(day, "D, j F Y")


def _rows(entries: list[TimelineEntry], fold: bool) -> list[TimelineRow]:
    rows: list[TimelineRow] = []
    for is_technical, group in groupby(entries, key=lambda entry: fold and entry.is_technical):
        if is_technical:
            rows.append(TimelineRow(list(group), is_folded=True))
        else:
            rows += [TimelineRow([entry], is_folded=False) for entry in group]
    return rows

"""Bar charts: computes the coordinates of an SVG on the server.

Positions are attributes, because the content security policy forbids inline
styles. Colours come from the style sheet, so that they follow light and dark.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.template.defaultfilters import filesizeformat

WIDTH, HEIGHT = 360, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 4, 24, 42
_ZERO = HEIGHT - _BOTTOM
_GAP = 0.2
_BYTE_UNITS = ("bytes", "KB", "MB", "GB", "TB", "PB")
_STEPS = (2, 4, 10)


@dataclass(frozen=True)
class AxisSlot:
    """One position on the time axis: its name, and the label below the axis or an empty text."""

    name: str
    mark: str


@dataclass(frozen=True)
class Series:
    """The values of the bars of one colour; None where nothing was counted."""

    label: str
    values: Sequence[int | None]


@dataclass(frozen=True)
class AxisLabel:
    x: str
    y: str
    text: str


@dataclass(frozen=True)
class Bar:
    """One bar; `title` is its tooltip."""

    x: str
    y: str
    width: str
    height: str
    title: str


@dataclass(frozen=True)
class Chart:
    """The context of `backoffice/dashboard/chart.html`, which also shows it as a table."""

    id: str
    title: str
    axis: str
    unit: str
    summary: str
    labels: list[str]
    bars: list[list[Bar]]
    ticks: list[AxisLabel]
    marks: list[AxisLabel]
    rows: list[tuple[str, list[str]]]
    # The path of a line: the first series in the period before; empty if nothing was counted.
    before: str
    is_empty: bool

    width, height = WIDTH, HEIGHT
    left, right, zero = str(_LEFT), str(WIDTH - _RIGHT), str(_ZERO)
    middle = str((_LEFT + WIDTH - _RIGHT) // 2)


def number(value: int | None) -> str:
    """Return a count with thousands separators."""
    return "–" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Return a number of bytes in a readable unit."""
    return "–" if value is None else filesizeformat(value)


def draw(
    *,
    name: str,
    title: str,
    axis: str,
    unit: str,
    slots: Sequence[AxisSlot],
    series: Sequence[Series],
    before: Series,
) -> Chart:
    """Return a chart with one bar for each series in each slot; `unit` is `bytes` or a plural noun.

    `before` is a line: the values of the period before, slot by slot.
    """
    line = [before] if any(before.values) else []
    most = max((value or 0 for one in [*series, *line] for value in one.values), default=0)
    scale, shown_unit = _byte_unit(most) if unit == "bytes" else (1, unit)
    top = _round_above(-(-most // scale))
    formatted: Callable[[int | None], str] = size if unit == "bytes" else number
    return Chart(
        id=name,
        title=title,
        axis=axis,
        unit=shown_unit,
        summary=" ".join(_summary(one, slots, formatted) for one in series),
        labels=[one.label for one in [*series, *line]],
        bars=[
            _bars(one, slots, place=(nth, len(series)), top=top * scale, formatted=formatted)
            for nth, one in enumerate(series)
        ],
        ticks=[
            AxisLabel(str(_LEFT - 5), _px(_ZERO - part * (_ZERO - _TOP)), number(int(part * top)))
            for part in (0, 0.5, 1)
        ],
        marks=[
            AxisLabel(_px(_LEFT + (nth + 0.5) * _slot(slots)), str(_ZERO + 15), slot.mark)
            for nth, slot in enumerate(slots)
            if slot.mark
        ],
        rows=[
            (slot.name, [formatted(one.values[nth]) for one in [*series, *line]])
            for nth, slot in enumerate(slots)
        ],
        before=_path(before, slots, top * scale) if line else "",
        is_empty=most == 0,
    )


def _bars(
    series: Series,
    slots: Sequence[AxisSlot],
    *,
    place: tuple[int, int],
    top: int,
    formatted: Callable[[int | None], str],
) -> list[Bar]:
    """Return a series' bars; `place` is the series' index and the number of series."""
    nth, of = place
    width = _slot(slots) * (1 - _GAP) / of
    bars = []
    for number_of_slot, (slot, value) in enumerate(zip(slots, series.values, strict=True)):
        if value:
            # A bar of at least 1 px, so that small values are visible.
            height = max(value / top * (_ZERO - _TOP), 1)
            x = _LEFT + _slot(slots) * (number_of_slot + _GAP / 2) + nth * width
            title = f"{slot.name}: {formatted(value)} {series.label}"
            bars.append(Bar(_px(x), _px(_ZERO - height), _px(width), _px(height), title))
    return bars


def _path(series: Series, slots: Sequence[AxisSlot], top: int) -> str:
    """Return a line through the middle of the slots, with gaps where nothing was counted."""
    steps, is_on = [], False
    for nth, value in enumerate(series.values):
        if value is not None:
            x, y = _LEFT + (nth + 0.5) * _slot(slots), _ZERO - value / top * (_ZERO - _TOP)
            steps.append(f"{'L' if is_on else 'M'}{_px(x)} {_px(y)}")
        is_on = value is not None
    return " ".join(steps)


def _summary(
    series: Series, slots: Sequence[AxisSlot], formatted: Callable[[int | None], str]
) -> str:
    known = [(value, slot.name) for value, slot in zip(series.values, slots, strict=True) if value]
    if not known:
        return f"{series.label.capitalize()}: none."
    most, when = max(known, key=lambda pair: pair[0])
    total = sum(value for value, _ in known)
    return f"{series.label.capitalize()}: {formatted(total)} in total, maximum {formatted(most)} at {when}."


def _slot(slots: Sequence[AxisSlot]) -> float:
    return (WIDTH - _LEFT - _RIGHT) / len(slots)


def _round_above(most: int) -> int:
    """Return the round number at the end of the axis; half of it is an integer."""
    power = 1
    while 10 * power < most:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= most)


def _byte_unit(most: int) -> tuple[int, str]:
    power = min(max(most.bit_length() - 1, 0) // 10, len(_BYTE_UNITS) - 1)
    return 1 << (10 * power), _BYTE_UNITS[power]


def _px(value: float) -> str:
    return f"{value:.1f}"

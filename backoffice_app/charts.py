"""Bar charts as the numbers of an SVG: drawn on the server, without a library in the page.

Everything is placed by attributes, because the policy forbids styles within a
page; colours come from the style sheet, so that they follow light and dark.
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
    """One place on the time axis: its name, and the mark below the axis, if it has one."""

    name: str
    mark: str


@dataclass(frozen=True)
class Series:
    """What the bars of one colour tell; None where nobody has counted."""

    label: str
    values: Sequence[int | None]


@dataclass(frozen=True)
class AxisLabel:
    """A word beside an axis."""

    x: str
    y: str
    text: str


@dataclass(frozen=True)
class Bar:
    """One bar; `says` names it to who points at it."""

    x: str
    y: str
    width: str
    height: str
    says: str


@dataclass(frozen=True)
class Chart:
    """What the template `backoffice/dashboard/chart.html` draws, and writes as a table."""

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
    is_empty: bool

    width, height = WIDTH, HEIGHT
    left, right, zero = str(_LEFT), str(WIDTH - _RIGHT), str(_ZERO)
    middle = str((_LEFT + WIDTH - _RIGHT) // 2)


def number(value: int | None) -> str:
    """Return a count in digits that can be read."""
    return "–" if value is None else f"{value:,}"


def size(value: int | None) -> str:
    """Return bytes in the unit that fits."""
    return "–" if value is None else filesizeformat(value)


def draw(
    *,
    name: str,
    title: str,
    axis: str,
    unit: str,
    slots: Sequence[AxisSlot],
    series: Sequence[Series],
) -> Chart:
    """Draw bars side by side, one for each series in each slot; `unit` is `bytes` or a plural noun."""
    most = max((value or 0 for one in series for value in one.values), default=0)
    scale, shown_unit = _byte_unit(most) if unit == "bytes" else (1, unit)
    top = _round_above(-(-most // scale))
    say: Callable[[int | None], str] = size if unit == "bytes" else number
    return Chart(
        id=name,
        title=title,
        axis=axis,
        unit=shown_unit,
        summary=" ".join(_summary(one, slots, say) for one in series),
        labels=[one.label for one in series],
        bars=[
            _bars(one, slots, place=(nth, len(series)), top=top * scale, say=say)
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
            (slot.name, [say(one.values[nth]) for one in series]) for nth, slot in enumerate(slots)
        ],
        is_empty=most == 0,
    )


def _bars(
    series: Series,
    slots: Sequence[AxisSlot],
    *,
    place: tuple[int, int],
    top: int,
    say: Callable[[int | None], str],
) -> list[Bar]:
    """Place a series' bars; in each slot it is the n-th of so many."""
    nth, of = place
    width = _slot(slots) * (1 - _GAP) / of
    bars = []
    for number_of_slot, (slot, value) in enumerate(zip(slots, series.values, strict=True)):
        if value:
            # What is not nothing can be seen.
            height = max(value / top * (_ZERO - _TOP), 1)
            x = _LEFT + _slot(slots) * (number_of_slot + _GAP / 2) + nth * width
            says = f"{slot.name}: {say(value)} {series.label}"
            bars.append(Bar(_px(x), _px(_ZERO - height), _px(width), _px(height), says))
    return bars


def _summary(series: Series, slots: Sequence[AxisSlot], say: Callable[[int | None], str]) -> str:
    known = [(value, slot.name) for value, slot in zip(series.values, slots, strict=True) if value]
    if not known:
        return f"{series.label.capitalize()}: none."
    most, when = max(known, key=lambda pair: pair[0])
    total = sum(value for value, _ in known)
    return f"{series.label.capitalize()}: {say(total)} in all, most ({say(most)}) at {when}."


def _slot(slots: Sequence[AxisSlot]) -> float:
    return (WIDTH - _LEFT - _RIGHT) / len(slots)


def _round_above(most: int) -> int:
    """Return the round number that the axis ends with; its half is whole."""
    power = 1
    while 10 * power < most:
        power *= 10
    return next(step * power for step in _STEPS if step * power >= most)


def _byte_unit(most: int) -> tuple[int, str]:
    power = min(max(most.bit_length() - 1, 0) // 10, len(_BYTE_UNITS) - 1)
    return 1 << (10 * power), _BYTE_UNITS[power]


def _px(value: float) -> str:
    return f"{value:.1f}"

"""Tables, as text for a terminal and as Markdown for docs/benchmarks.md."""

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.comparison import Comparison, Turn

Table = list[list[str]]
Measure = Callable[[Turn], float]


def rates(comparison: Comparison) -> Table:
    """Return the requests per second of each program, and our rate divided by the other's."""
    return _table(comparison, "{:,.0f}", lambda turn: turn.load.rate)


def processor_times(comparison: Comparison) -> Table:
    """Return the milliseconds of processor time per request, and ours divided by the other's."""
    return _table(comparison, "{:.2f}", lambda turn: turn.processor)


def answer_times(comparison: Comparison) -> Table:
    """Return the median and the 95th percentile of the times until an answer, in milliseconds."""
    programs = list(comparison.memory)
    return [
        ["request", *programs],
        *(
            [case, *(_percentiles(turns.get(program, [])) for program in programs)]
            for case, turns in comparison.turns.items()
        ),
    ]


def memory(comparison: Comparison) -> str:
    used = ", ".join(f"{name} {size} MiB" for name, size in comparison.memory.items())
    return f"Memory at the end: {used}."


def plain(rows: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(rows: Table) -> str:
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


def _table(comparison: Comparison, shown: str, measure: Measure) -> Table:
    ours, *others = comparison.memory
    headings = ["request", ours]
    for other in others:
        headings += [other, f"{ours} ÷ {other} (spread)"]
    rows = [headings]
    for case, turns in comparison.turns.items():
        row = [case, _middle(shown, measure, turns[ours])]
        for other in others:
            row += _compared(shown, measure, turns[ours], turns.get(other, []))
        rows.append(row)
    return rows


def _compared(
    shown: str, measure: Measure, ours: Sequence[Turn], theirs: Sequence[Turn]
) -> list[str]:
    """Return the other's median, and the median and range of the ratios of each round."""
    if not theirs:
        return ["", ""]
    ratios = [measure(one) / (measure(two) or 1) for one, two in zip(ours, theirs, strict=True)]
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return [_middle(shown, measure, theirs), spread]


def _middle(shown: str, measure: Measure, turns: Sequence[Turn]) -> str:
    return shown.format(median(map(measure, turns)))


def _percentiles(turns: Sequence[Turn]) -> str:
    if not turns:
        return ""
    p50, p95 = (
        median(times) for times in zip(*((t.load.p50, t.load.p95) for t in turns), strict=True)
    )
    return f"{p50:.1f}, {p95:.1f}"

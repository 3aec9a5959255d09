"""Tables, as text for a terminal and as Markdown for docs/benchmarks.md."""

from collections.abc import Sequence
from statistics import median

from benchmarks.comparison import Comparison, ComparisonRow
from benchmarks.load import LoadMeasurement

Table = list[list[str]]
_HEADINGS = [
    "case", "database", "requests/s", "p50, p95 ms", "statements", "baseline requests/s",
    "baseline p50, p95 ms", "ratio (spread)",
]  # fmt: skip


def table(comparisons: Sequence[Comparison]) -> Table:
    """Return the headings and a row for each case and database."""
    rows = [(comparison.database, row) for comparison in comparisons for row in comparison.rows]
    return [_HEADINGS, *(_cells(database, row) for database, row in rows)]


def memory(comparison: Comparison) -> str:
    return (
        f"{comparison.database}: at the end the product's process uses "
        f"{comparison.product_memory} MiB of memory, the baseline's {comparison.bare_memory} MiB."
    )


def plain(rows: Table) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def markdown(rows: Table) -> str:
    ruled = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


def _cells(database: str, row: ComparisonRow) -> list[str]:
    return [
        row.case, database, *_speed(row.product), str(row.statements), *_speed(row.bare),
        f"{row.ratio:.2f} ({row.ratios[0]:.2f} to {row.ratios[-1]:.2f})",
    ]  # fmt: skip


def _speed(turns: Sequence[LoadMeasurement]) -> list[str]:
    rate = median(turn.rate for turn in turns)
    p50, p95 = median(turn.p50 for turn in turns), median(turn.p95 for turn in turns)
    return [f"{rate:,.0f}", f"{p50:.1f}, {p95:.1f}"]

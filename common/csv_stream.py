"""CSV that no spreadsheet takes for formulas, and that reads back equal.

A cell that begins with anything but a letter, a digit or a bracket gets an
apostrophe before it. A list of what is harmless, because a list of what is not
would have to know every spreadsheet: beside `= + - @`, tab and carriage
return there are full-width forms, spaces and quotes that are skipped, and
characters that nobody sees. Every cell is quoted, so that none of them ends at
a semicolon where that is what separates cells.

To read it: UTF-8 with a byte order mark (`utf-8-sig`), then one apostrophe off
the beginning of every cell that has one.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
GUARD = "'"
_HARMLESS = "{["


def guarded(cell: str) -> str:
    """Return a cell's text as no spreadsheet computes it."""
    return cell if not cell or cell[0].isalnum() or cell[0] in _HARMLESS else GUARD + cell


def unguarded(cell: str) -> str:
    """Return the text that was guarded."""
    return cell.removeprefix(GUARD)


def lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield each row as a line of CSV, as RFC 4180 wants it, the byte order mark before the first."""
    line = _Line()
    writer = csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    yield BOM
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
        yield line.text


class _Line:
    """What the writer writes its line to."""

    text = ""

    def write(self, text: str) -> Any:
        self.text = text

"""CSV without formula injection (CWE-1236) that can be read back without loss.

A cell that does not begin with a letter, a digit or a bracket gets an
apostrophe before it. This is a list of harmless characters, because a list of
harmful ones depends on the spreadsheet: `= + - @`, tab and carriage return,
full-width forms, invisible characters, and skipped spaces and quotes. Every
cell is quoted, because some spreadsheets split cells at a semicolon.

To read it: UTF-8 with a byte order mark (`utf-8-sig`), then remove one leading
apostrophe from every cell that has one.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
GUARD = "'"
_HARMLESS = "{["


def guarded(cell: str) -> str:
    """Return a cell's text so that no spreadsheet evaluates it as a formula."""
    return cell if not cell or cell[0].isalnum() or cell[0] in _HARMLESS else GUARD + cell


def unguarded(cell: str) -> str:
    return cell.removeprefix(GUARD)


def lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield a byte order mark, then each row as a line of CSV (RFC 4180)."""
    line = _Line()
    writer = csv.writer(line, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    yield BOM
    for row in rows:
        writer.writerow([guarded(cell) for cell in row])
        yield line.text


class _Line:
    text = ""

    def write(self, text: str) -> Any:
        self.text = text

"""What the pages under docs/ say: their tables, what stands in backticks, the error codes."""

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@cache
def documented_errors() -> dict[str, tuple[int, str]]:
    """Return the status and sentence of every error code in docs/api.md."""
    return {
        code_spans(code)[0]: (int(status), sentence)
        for code, status, sentence in table("docs/api.md", "code", "status")
    }


def table(page: str, *headings: str) -> list[list[str]]:
    """Return the rows of the one table of a page whose first columns are headed like this."""
    lines = (ROOT / page).read_text().splitlines()
    (start,) = [
        number
        for number, line in enumerate(lines)
        if line.startswith("| " + " | ".join(headings) + " |")
    ]
    rows = takewhile(lambda line: line.startswith("|"), lines[start + 2 :])
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def code_spans(text: str) -> list[str]:
    """Return what stands in backticks or, line by line, in fenced blocks."""
    blocks = re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*spans, *(line for block in blocks for line in block.splitlines())]

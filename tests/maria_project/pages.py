"""Read the documentation in tests: its tables, and its code."""

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
# Every package of the product, from the lowest layer up.
PACKAGES = (
    "common", "audit_app", "sessions_app", "uploads_app", "backoffice_app", "demo_app",
    "maria_project",
)  # fmt: skip


@cache
def documented_errors() -> dict[str, tuple[int, str]]:
    """Return the status and sentence of every error code in docs/api.md."""
    return {
        code_words(code)[0]: (int(status), sentence)
        for code, status, sentence in table_rows("docs/api.md", "code", "status")
    }


def table_rows(page: str, *headings: str) -> list[list[str]]:
    """Return the rows of the only table of a page that has these first headings."""
    (table,) = tables(page, *headings)
    return table


def tables(page: str, *headings: str) -> list[list[list[str]]]:
    """Return the rows of every table of a page that has these first headings."""
    lines = (ROOT / page).read_text().splitlines()
    head = "| " + " | ".join(headings) + " |"
    bodies = [lines[at + 2 :] for at, line in enumerate(lines) if line.startswith(head)]
    rows = [takewhile(lambda line: line.startswith("|"), body) for body in bodies]
    return [
        [[cell.strip() for cell in row.strip("|").split("|")] for row in table] for table in rows
    ]


def code_words(text: str) -> list[str]:
    """Return the text in backticks, and the lines of fenced blocks."""
    blocks = re.findall(r"```.*?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [*spans, *(line for block in blocks for line in block.splitlines())]

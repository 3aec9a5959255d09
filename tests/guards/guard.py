"""A guard: one change to the product that must fail a test, in a TOML file in the folder of its area.

reason = "Without the condition a session stores more files than its quota allows."
path = "uploads_app/**/*.py"         # or one file; `text` must occur once in all of them
text = "files__lt=settings.UPLOAD_MAX_FILES,"
replacement = ""
tests = ["tests/uploads_app/test_quota.py"]
only = "expression"                  # optional: -k of pytest, -t of vitest
slow = true                          # optional: tests marked slow run too
postgresql = true                    # optional: SQLite has no row locks
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
AREAS = (
    "common_audit_app", "sessions_app", "uploads_app", "backoffice_app", "admin", "frontend",
    "maria_project",
)  # fmt: skip


class OutOfDate(Exception):
    """The text of a guard is not in the code exactly once."""


@dataclass(frozen=True)
class Suite:
    """The tests that one or several guards must fail."""

    tests: tuple[str, ...]
    only: str = ""
    slow: bool = False
    postgresql: bool = False


@dataclass(frozen=True)
class Guard:
    name: str
    area: str
    reason: str
    path: str
    text: str
    replacement: str
    suite: Suite

    def find(self, root: Path) -> Path:
        """Return the one file that holds the text; raises OutOfDate."""
        found = [
            file
            for file in root.glob(self.path)
            if file.is_file()
            for _ in range(file.read_text().count(self.text))
        ]
        if len(found) != 1:
            raise OutOfDate(f"{len(found)} places in {self.path} have its text")
        return found[0]


def read_guards() -> list[Guard]:
    """Return every guard. Raises KeyError, TypeError or TOMLDecodeError for a file that is not one."""
    return [_read(file) for file in sorted(FOLDER.glob("*/*.toml"))]


def _read(file: Path) -> Guard:
    values = tomllib.loads(file.read_text())
    optional = {key: values.pop(key) for key in ("only", "slow", "postgresql") if key in values}
    suite = Suite(tuple(values.pop("tests")), **optional)
    return Guard(name=file.stem, area=file.parent.name, suite=suite, **values)

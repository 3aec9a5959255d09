"""A guard: one small change to the product that must turn a test red. Its file is TOML in a folder named after its area.

reason = "Without the condition a session stores more files than its quota allows."
path = "uploads_app/**/*.py"         # or one file; `text` must occur once in all of them
text = "files__lt=settings.UPLOAD_MAX_FILES,"
replacement = ""
tests = ["tests/uploads_app/test_quota.py"]
only = "pytest -k expression"        # optional
postgresql = true                    # optional: SQLite has no row locks
"""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
AREAS = ("common_audit_app", "sessions_app", "uploads_app", "backoffice_app", "admin", "frontend")


class OutOfDate(Exception):
    """The text of a guard is not in the code, or more than once."""


@dataclass(frozen=True)
class Suite:
    """The tests that one or several guards must turn red."""

    tests: tuple[str, ...]
    only: str = ""
    slow: bool = False
    postgresql: bool = False

    @property
    def is_frontend(self) -> bool:
        """Whether vitest runs it."""
        return self.tests[0].startswith("frontend/")


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
        """Return the one file that holds the text; raises OutOfDate if it is not there exactly once."""
        counts = {
            file: count
            for file in root.glob(self.path)
            if file.is_file() and (count := file.read_text().count(self.text))
        }
        if sum(counts.values()) != 1:
            raise OutOfDate(f"{sum(counts.values())} places in {self.path} have its text")
        return next(iter(counts))


def read_guards() -> list[Guard]:
    """Return every guard. Raises KeyError, TypeError or TOMLDecodeError for a file that is not one."""
    return [_read(file) for file in guard_files()]


def guard_files() -> Iterator[Path]:
    yield from sorted(FOLDER.glob("*/*.toml"))


def _read(file: Path) -> Guard:
    values = tomllib.loads(file.read_text())
    suite = Suite(
        tests=tuple(values.pop("tests")),
        only=values.pop("only", ""),
        slow=values.pop("slow", False),
        postgresql=values.pop("postgresql", False),
    )
    return Guard(name=file.stem, area=file.parent.name, suite=suite, **values)

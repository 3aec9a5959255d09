"""The Big List of Naughty Strings, from npm's `blns`: 485 texts that have broken programs."""

import json

from tests.need import missing
from tests.node import FRONTEND

FILE = FRONTEND / "node_modules" / "blns" / "resources" / "blns.json"
INSTALL_HINT = "npm --prefix frontend ci --ignore-scripts"
COUNT = 485


def strings() -> list[str]:
    """Return all strings; if they are not installed, skip the test, and fail it in CI."""
    if not FILE.exists():
        missing(f"the naughty strings are missing: {INSTALL_HINT}")
    found: list[str] = json.loads(FILE.read_text())
    assert len(found) == COUNT
    return found

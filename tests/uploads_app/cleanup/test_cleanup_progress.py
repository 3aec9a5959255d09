"""A long run shows its progress: a bar on a terminal, otherwise a line every few seconds."""

import os
import pty
import re
import sys
import termios

import pytest

from tests.uploads_app.cleanup.cleanup_support import many, restore, settled, stored, trashed_object
from uploads_app.cleanup import reconcile
from uploads_app.management.progress import ProgressLine

pytestmark = pytest.mark.both


@pytest.fixture(autouse=True)
def store(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of several pages."""
    monkeypatch.setattr(reconcile, "PAGE", 5)
    stored()
    many(19)


def test_a_short_run_shows_no_progress() -> None:
    assert settled().err == ""


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--json"]], ids=str)
def test_without_a_terminal_progress_is_lines_on_stderr(
    monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    monkeypatch.setattr(ProgressLine, "SECONDS_BETWEEN_LINES", 0.0)
    result = settled(*options)
    lines = result.err.splitlines()
    assert all(re.fullmatch(r"\d+ objects", line) for line in lines)
    counts = [int(line.split()[0]) for line in lines]
    assert counts == sorted(counts)
    assert counts[-1] >= 15
    if "--json" in options:
        assert result.document["objects_seen"] == 20


def test_progress_of_a_restore_counts_to_the_total(monkeypatch: pytest.MonkeyPatch) -> None:
    trashed_object()
    monkeypatch.setattr(ProgressLine, "SECONDS_BETWEEN_LINES", 0.0)
    assert restore("--all").err == "1 of 1 objects\n"


def test_on_a_terminal_a_bar_is_drawn_and_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (25, 80))
    drawn = ""
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        result = settled()
        monkeypatch.undo()
        while not drawn.endswith("\r"):  # what is written arrives in its own time
            drawn += os.read(ours, 65536).decode()
    os.close(ours)
    assert re.search(r"\r\d+ objects \[", drawn)
    assert result.err == ""
    assert "objects [" not in result.out

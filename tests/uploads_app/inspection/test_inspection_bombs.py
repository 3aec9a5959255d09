"""A file that exhausts its reader only costs a child process."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import Visitor, uploaded
from tests.uploads_app.inspection.hostile_pdfs import (
    MEBIBYTE,
    PAGE,
    assembled,
    deflated,
    packed,
    stream,
    written,
)
from tests.uploads_app.inspection_support import CATALOG, CLEAN, PAGES, inspected, verdict
from uploads_app.inspection import program as inspection_program
from uploads_app.tasks import inspect_uploads

TOO_EXPENSIVE = ("unreadable", "too_expensive")
FLATE = "/Filter /FlateDecode"


def bomb() -> bytes:
    """Return a PDF of 199 KiB whose page expands to 200 MiB."""
    return written("", "/Contents 4 0 R", stream(deflated(200 * MEBIBYTE), FLATE))


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Check that no child process is left; servers of other tests may run."""
    before = children()
    yield
    assert children() <= before


def children() -> set[str]:
    """Return the ids of this process's children."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


def peak() -> int:
    """Return the peak memory of this process since `reset_peak`, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def test_t28_request_and_worker_do_not_decompress(visitor: Visitor) -> None:
    body = bomb()
    assert 190_000 < len(body) < 210_000
    uploaded(visitor)  # imports all modules
    inspect_uploads()
    reset_peak()
    before = peak()

    upload = uploaded(visitor, body)
    assert peak() - before < 20 * MEBIBYTE
    assert inspect_uploads() == 1

    assert peak() - before < 20 * MEBIBYTE
    upload.refresh_from_db()
    assert verdict(upload) == TOO_EXPENSIVE


BOMBS = {
    "deflated twice": lambda: written("", "", stream(
        deflated(200 * MEBIBYTE, 2), "/Filter [/FlateDecode /FlateDecode]"
    )),
    "many streams": lambda: written("", "", *[stream(deflated(64 * MEBIBYTE), FLATE)] * 12),
    "an object stream": lambda: packed({1: CATALOG, 2: PAGES, 3: PAGE}, padding=200 * MEBIBYTE),
}  # fmt: skip


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_t28_bomb_is_too_expensive(visitor: Visitor, make: Any) -> None:
    assert verdict(inspected(visitor, make())) == TOO_EXPENSIVE


def endless_tables() -> bytes:
    """Return a PDF with a cross-reference table that points to itself."""
    start = int(written().rsplit(b"startxref\n", 1)[1].split()[0])
    return written(trailer=f"/Prev {start}")


def deep_tree() -> bytes:
    """Return a PDF with its only page deep in the page tree."""
    depth = 20_000
    nodes = [f"<< /Type /Pages /Kids [{n + 1} 0 R] /Count 1 >>" for n in range(2, depth)]
    return assembled([CATALOG, *nodes, PAGE])


TRAPS = {
    "a table that continues in itself": endless_tables,
    "pages within pages": deep_tree,
    "a page tree that leads back": lambda: assembled(
        [CATALOG, PAGES, "<< /Type /Pages /Kids [2 0 R] /Count 1 /Parent 2 0 R >>"]
    ),
    "an object stream within itself": lambda: packed({1: CATALOG, 2: PAGES, 3: PAGE}).replace(
        b"/Type /ObjStm", b"/Extends 4 0 R /Type /ObjStm"
    ),
    "a length that is its own": lambda: written(
        "", "", b"<< /Length 4 0 R >>\nstream\nx\nendstream"
    ),
    "arrays within arrays": lambda: written("/A " + "[" * 200_000 + "]" * 200_000),
    "a chain of references": lambda: written("", "", "5 0 R", "4 0 R"),
}


@pytest.mark.parametrize("make", TRAPS.values(), ids=TRAPS)
def test_t28_file_with_cycles_gets_a_verdict(visitor: Visitor, make: Any) -> None:
    """pypdf decides which verdict; this test only requires one within the limits."""
    assert inspected(visitor, make()).inspection in ("clean", "unreadable")


def test_t28_child_over_its_time_limit_is_killed_by_the_kernel(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uploads_app.inspection.sandbox.CPU_SECONDS", 1)
    slow = written("/A [" + "0 " * 2_000_000 + "]")
    assert verdict(inspected(visitor, slow)) == TOO_EXPENSIVE


def test_t28_child_over_its_memory_limit_exits(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uploads_app.inspection.sandbox.MEMORY_BYTES", 128 * MEBIBYTE)
    large = packed({1: CATALOG, 2: PAGES, 3: PAGE}, padding=64 * MEBIBYTE)
    assert verdict(inspected(visitor, large)) == TOO_EXPENSIVE


def test_t28_hanging_child_is_killed(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "uploads_app.inspection.sandbox.WALL_SECONDS", 0.001
    )  # shorter than the start of a program
    assert verdict(inspected(visitor, CLEAN["a page"])) == TOO_EXPENSIVE


# What a parser that a file has taken over might do.
TAKEN_OVER = {
    "says nothing": "",
    "says no JSON": "print('clean')",
    "says another verdict": """print('{"verdict": "waiting", "suspicions": []}')""",
    "says another shape": """print('{"verdict": "clean"}')""",
    "makes up a suspicion": """print('{"verdict": "suspect", "suspicions": ["<script>"]}')""",
    "says deep JSON": "print('[' * 4000)",
    "fails": "raise SystemExit(1)",
    "says so and fails": """print('{"verdict": "clean", "suspicions": []}'); raise SystemExit(1)""",
    "dies": "import os; os.abort()",
    "never stops talking": "while True: print('x' * 1000)",
}


@pytest.mark.parametrize("code", TAKEN_OVER.values(), ids=TAKEN_OVER)
def test_t28_other_output_of_a_child_is_not_trusted(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str
) -> None:
    program = tmp_path / "taken_over.py"
    program.write_text(code)
    monkeypatch.setattr("uploads_app.inspection.sandbox._PROGRAM", program)
    if "while True" in code:
        monkeypatch.setattr("uploads_app.inspection.sandbox.WALL_SECONDS", 1)
    assert verdict(inspected(visitor, CLEAN["a page"])) == TOO_EXPENSIVE


def test_t28_compromised_child_cannot_open_anything(tmp_path: Path) -> None:
    """File and network exist; the child has no permission to open them."""
    code = f"""
        import os, runpy, socket, subprocess, sys
        runpy.run_path({inspection_program.__file__!r})["confine"](2**29, 10)
        for attempt in (
            lambda: open("/etc/hostname"),
            lambda: open({str(tmp_path / "new")!r}, "w"),
            lambda: socket.socket(),
            lambda: os.pipe(),
            lambda: subprocess.run(["true"]),
        ):
            try:
                attempt()
                print("done")
            except OSError as error:
                print(error.errno)
    """
    done = subprocess.run(
        [sys.executable, "-I", "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    too_many_open_files = "24"
    assert done.stdout.split() == [too_many_open_files] * 5, done.stderr
    assert not (tmp_path / "new").exists()


def test_t28_child_does_not_get_secrets_of_the_worker(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program = tmp_path / "curious.py"
    program.write_text(f"import os; open({str(seen)!r}, 'w').write(repr(dict(os.environ)))")
    monkeypatch.setattr("uploads_app.inspection.sandbox._PROGRAM", program)
    monkeypatch.setenv("SECRET_KEY", "a secret of the worker's")
    inspected(visitor, CLEAN["a page"])
    assert "secret" not in seen.read_text().lower()

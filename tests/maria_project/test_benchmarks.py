"""The programs of the benchmarks run and print their tables. The times are not tested.

`test_benchmarks_small.py` runs the same code in one process, in every `./test`.
"""

import os
import subprocess
import sys
import tempfile

import pytest

from benchmarks.admin_pages import PAGES
from benchmarks.cases import CASES
from benchmarks.deployment import ROOT
from tests.helpers import SOAK
from tests.s3_server import need_s3

pytestmark = [
    pytest.mark.slow,
    # Each starts a dozen processes, and the product does not use the benchmarks.
    pytest.mark.skipif(not SOAK, reason="it starts many processes: SOAK=1"),
]
BENCH_PACKAGES = "it compares with a package of requirements-bench.txt"


def run(module: str, *arguments: str, **env: str) -> list[list[str]]:
    """Run a benchmark and return the cells of its Markdown table, without its heading."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--markdown", *arguments],
        cwd=ROOT, env={**os.environ, "TMPDIR": os.environ["DATA_DIR"], **env},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="it needs the repository")
def test_the_benchmark_compares_every_request_on_both_databases() -> None:
    small = ("--connections=1", "--rounds=1", "--requests=2", "--base=HEAD")
    rows = run("benchmarks", *small, TMPDIR=tempfile.gettempdir())
    requests = [row[0] for row in rows if row[0] in {case.name for case in CASES}]
    assert requests == [case.name for case in CASES] * 3 * 2


def test_the_benchmark_of_slow_clients_counts_answered_requests() -> None:
    rows = run("benchmarks.slow", "--seconds=0.5", "--clients", "20")
    assert [row[1] for row in rows] == ["20 send slowly", "20 never read"]
    for row in rows:
        answered, requested = row[2].split(" of ")
        assert int(answered) == int(requested) > 0


def test_the_benchmark_of_web_processes_compares_two_with_one() -> None:
    small = ("--connections=2", "--rounds=1", "--requests=8")
    rows = run("benchmarks.processes", *small, TMPDIR=tempfile.gettempdir())
    assert [row[:2] for row in rows] == [
        ["current", "1"], ["current", "2"], ["create", "1"], ["create", "2"],
    ]  # fmt: skip
    assert {row[3] for row in rows[::2]} == {"1.00"}


def test_the_benchmark_of_the_cleanup_measures_both_stores() -> None:
    need_s3()
    pytest.importorskip("django_unused_media", reason=BENCH_PACKAGES)
    # PostgreSQL runs as another user, which cannot enter our own folder.
    shared_folder = tempfile.gettempdir()
    sizes = ("--disk=30", "--s3=30", "--rounds=1", "--remove=6")
    rows = run("benchmarks.cleanup", *sizes, TMPDIR=shared_folder)
    on_both = ["listing only", "listing only, without sizes and times", "cleanup, nothing to do",
               "all keys and all rows in memory"]  # fmt: skip
    changes = ["cleanup, 6 to delete", "cleanup, 6 to move to the trash"]
    on_disk = [*on_both, "django-unused-media", *changes]
    assert [row[2] for row in rows if row[0] == "disk"] == on_disk
    assert [row[2] for row in rows if row[0] == "S3"] == [*on_both, *changes]


def test_the_benchmark_of_the_back_office_measures_every_page() -> None:
    sizes = ("--scale=0.0002", "--rounds=1", "--lenient")
    rows = run("benchmarks.admin", *sizes, TMPDIR=tempfile.gettempdir())
    assert [row[0] for row in rows] == [page.name for page in PAGES]
    assert not [row for row in rows if "answer" in " ".join(row)]

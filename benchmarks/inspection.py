"""`make bench-inspection`: files that four workers inspect in one turn, divided by those of one.

Each worker is a `manage.py qcluster` that gets a quarter of a processor, as if it were a small
host of its own. So two processors are enough to compare them. More files wait than they can
inspect. A turn of the schedule lasts 45 seconds from its first file on.
"""

import argparse
import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import requests
from pypdf import PdfWriter

from benchmarks import report
from benchmarks.deployment import ROOT, postgres_and_redis, serving

SERVE = ("manage.py", "serve", "--web-only", "--port", "{port}")
TURN_SECONDS = 45
PATIENCE_SECONDS = 300
LEAST = 3.0
_GROUPS = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds
_NUMBER = "SELECT coalesce(max(id), 0) FROM audit_app_auditlog"
_TURN = """
SELECT count(*), count(DISTINCT target) FROM (
    SELECT target, occurred_at, min(occurred_at) OVER () AS began FROM audit_app_auditlog
    WHERE event_type = 'upload.inspected' AND id > %s
) AS inspected WHERE occurred_at < began + make_interval(secs => %s)
"""


class InspectedTurn(NamedTuple):
    """The files that were inspected in a turn of a number of workers."""

    workers: int
    files: int

    def cells(self, alone: "InspectedTurn") -> list[str]:
        a_minute = self.files * 60 / TURN_SECONDS
        return [str(self.workers), f"{a_minute:,.0f}", f"{self.files / alone.files:.2f}"]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    if not _can_limit():
        print("This needs root and control groups, to give each worker a share of a processor.")
        return 2
    with postgres_and_redis() as env:
        with serving(SERVE, env) as server:
            for _ in range(options.files // 100):
                _upload(server.port, 100)
        alone, together = (_turn(env, workers, options.share) for workers in (1, options.workers))
    rows = [["workers", "files a minute", "times one worker"], alone.cells(alone)]
    print((report.markdown if options.markdown else report.plain)([*rows, together.cells(alone)]))
    return int(together.files < LEAST * alone.files)


def _upload(port: int, files: int) -> None:
    """Store files in a new session."""
    url = f"http://localhost:{port}/api/v1"
    with requests.Session() as browser:
        created = browser.post(f"{url}/sessions/", json={}, timeout=60)
        created.raise_for_status()
        browser.headers["X-Session-UUID"] = created.json()["uuid"]
        for number in range(files):
            file = (f"{number}.pdf", _pdf(number), "application/pdf")
            browser.post(f"{url}/uploads/", files={"file": file}, timeout=60).raise_for_status()


def _pdf(number: int) -> bytes:
    writer, body = PdfWriter(), io.BytesIO()
    writer.add_blank_page(200, 200)
    writer.add_metadata({"/Title": str(number)})
    writer.write(body)
    return body.getvalue()


def _turn(env: Mapping[str, str], workers: int, share: float) -> InspectedTurn:
    """Start workers, wait for the end of one turn, and count its files."""
    with psycopg.connect(env["DATABASE_URL"], autocommit=True) as connection, ExitStack() as stack:
        ((last,),) = connection.execute(_NUMBER).fetchall()
        for number in range(workers):
            stack.enter_context(_worker(env, f"maria-bench-{os.getpid()}-{number}", share))
        _wait_for_first(connection, last)
        time.sleep(TURN_SECONDS)
        ((files, different),) = connection.execute(_TURN, [last, TURN_SECONDS]).fetchall()
    if files != different:
        raise SystemExit(f"{files - different} files were inspected twice.")
    return InspectedTurn(workers, files)


def _wait_for_first(connection: "psycopg.Connection[Any]", last: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while connection.execute(_TURN, [last, TURN_SECONDS]).fetchall() == [(0, 0)]:
        if time.monotonic() > deadline:
            raise SystemExit("No file was inspected.")
        time.sleep(0.5)


@contextmanager
def _worker(env: Mapping[str, str], name: str, share: float) -> Iterator[None]:
    """Run a worker with a share of a processor."""
    with _limited(name, share) as members:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            ["/bin/sh", "-c", 'echo $$ > "$0"; exec "$@"', members, sys.executable, "manage.py", "qcluster"],
            cwd=ROOT, env={**env, "WORKER_PROCESSES": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def _limited(name: str, share: float) -> Iterator[str]:
    """Create a control group with a share of a processor; yield the file of its members."""
    first = _GROUPS / "cpu"
    group = (first if first.is_dir() else _GROUPS) / name
    group.mkdir()
    try:
        quota = round(share * _PERIOD)
        if first.is_dir():
            (group / "cpu.cfs_quota_us").write_text(str(quota))
        else:
            (group / "cpu.max").write_text(f"{quota} {_PERIOD}")
        yield str(group / "cgroup.procs")
    finally:
        group.rmdir()


def _can_limit() -> bool:
    with suppress(OSError), _limited(f"maria-bench-{os.getpid()}", 1):
        return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inspection")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument("--workers", type=int, default=4, help="(default: %(default)s)")
    parser.add_argument(
        "--share", type=float, default=0.25, help="of a processor for each (default: %(default)s)"
    )
    parser.add_argument("--files", type=int, default=2000, help="(default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.idle`: memory of a web process and of a worker that have nothing to do.

Each program has a Python with the packages of its requirements.txt and no others: some
packages import others that only developers have.
"""

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import report, resources
from benchmarks.base import Checkout, checkout, installed
from benchmarks.deployment import DEPLOYMENTS, PRODUCT, ROOT, BenchmarkServer, beside, running
from benchmarks.load import RequestFailed, ask
from benchmarks.programs import manage

_LINES = "HTTP/1.1\r\nHost: localhost\r\n"
_CREATE = f"POST /api/v1/sessions/ {_LINES}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
# What a load balancer asks of each process, and what the first visitors ask.
HEALTH = f"GET /health/ready {_LINES}\r\n"
# A new process is not ready before it has checked everything once.
READY_SECONDS = 60
REQUESTS = (f"GET /admin/login/ {_LINES}\r\n", _CREATE, _CREATE)
PROCESSES = (
    "web process, before a request",
    "web process, after a health check",
    f"web process, after {len(REQUESTS)} more requests",
    "worker with its processes",
)


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        venv = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="maria-bench-")))
        programs = [Checkout("ours", ROOT, installed(ROOT, venv))]
        if options.base:
            programs.append(stack.enter_context(checkout(options.base)))
        rows = [["MiB", "", *(program.commit for program in programs)]]
        for title, deployment in DEPLOYMENTS.values():
            with deployment() as env:
                columns = measure(programs, env, options.seconds)
            rows += [
                [title, name, *map(str, values)]
                for name, *values in zip(PROCESSES, *columns, strict=True)
            ]
    print((report.markdown if options.markdown else report.plain)(rows))
    return 0


def measure(
    programs: Sequence[Checkout], env: Mapping[str, str], seconds: float
) -> list[list[int]]:
    """Return a column for each program: the MiB of PROCESSES. All run at the same time."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(_started(program, beside(env, f"idle_{number}", number)))
            for number, program in enumerate(programs, 1)
        ]
        time.sleep(seconds)
        return [_column(web, worker) for web, worker in started]


def _column(web: BenchmarkServer, worker: int) -> list[int]:
    before = web.mebibytes
    wait_until_ready(web.port)
    ready = web.mebibytes
    for request in REQUESTS:
        _send(web.port, request)
    return [before, ready, web.mebibytes, resources.mebibytes(worker)]


def wait_until_ready(port: int, seconds: float = READY_SECONDS) -> None:
    """Check health until the answer is 200. Raises RequestFailed with the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _send(port, HEALTH)
        except RequestFailed:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def _send(port: int, request: str) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as visitor:
        ask(visitor, request.encode())


@contextmanager
def _started(program: Checkout, env: Mapping[str, str]) -> Iterator[tuple[BenchmarkServer, int]]:
    """Run a web process and a worker; yield the server and the worker's process number."""
    # Until WEB_PROCESSES, a web process had a pool of connections only if it was set.
    own = {**env, "PYTHONPATH": str(program.folder), "DATABASE_POOL": "true"}
    manage(program, own, "migrate", "-v0")
    worker = subprocess.Popen(  # noqa: S603  (our own command line)
        [program.python, "manage.py", "qcluster"],
        cwd=program.folder, env={**own, "DATABASE_POOL": "false"},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with running([program.python, *PRODUCT], own, program.folder) as web:
            yield web, worker.pid
    finally:
        worker.terminate()
        worker.wait(60)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idle")
    add = parser.add_argument
    add("--base", metavar="COMMIT", help="compare with this commit, too")
    add("--markdown", action="store_true", help="print the table of docs/benchmarks.md")
    # The tasks that run once a minute have run.
    add("--seconds", type=float, default=90, help="wait so long (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

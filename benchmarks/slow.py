"""`python -m benchmarks.slow`: what `make bench-slow` runs.

Slow clients upload one byte per second to each server, while good clients create
sessions, each request on a new connection. Measures how many good requests are
answered, how fast, and the memory of the server.
"""

import argparse
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from benchmarks import report
from benchmarks.deployment import PRODUCT, ROOT, BenchmarkServer, serving, sqlite
from benchmarks.load import RequestFailed, ask
from benchmarks.slow_clients import slow_clients

_GUNICORN = ("-m", "gunicorn", "maria_project.wsgi", "--bind", "127.0.0.1:{port}", "--workers", "2")
SERVERS = {
    "waitress, as `./run` has it": PRODUCT,
    "gunicorn sync, 2 workers": _GUNICORN,
    "gunicorn gthread, 2 × 4": (*_GUNICORN, "--threads", "4"),
}
VISITORS = 4
PATIENCE_SECONDS = 5
_HEADINGS = [
    "server", "slow clients", "good requests answered", "p50, p95 ms", "memory MiB"
]  # fmt: skip
_BEGIN = (
    b"POST /api/v1/sessions/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)


@dataclass(frozen=True)
class SlowResult:
    """The seconds of each good request, None without an answer, and the memory of the server in MiB."""

    waits: list[float | None]
    memory: int

    @property
    def answered(self) -> list[float]:
        """The seconds of answered requests, fastest first."""
        return sorted(seconds for seconds in self.waits if seconds is not None)

    def cells(self) -> list[str]:
        times = self.answered
        shown = [f"{1000 * times[int(q * (len(times) - 1))]:,.0f}" for q in (0.5, 0.95) if times]
        return [f"{len(times):,} of {len(self.waits):,}", ", ".join(shown), str(self.memory)]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    rows = [_HEADINGS]
    with sqlite() as env:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True
        )
        for name, command in list(SERVERS.items())[: options.servers]:
            for count in options.clients:
                result = _hold(command, env, count, options.seconds)
                rows.append([name, f"{count:,}", *result.cells()])
                if not result.answered:  # more clients would not change that
                    break
    print((report.markdown if options.markdown else report.plain)(rows))
    return 0


def _hold(command: Sequence[str], env: Mapping[str, str], count: int, seconds: float) -> SlowResult:
    """Measure one server with `count` slow clients."""
    with serving(command, env) as server, slow_clients(server.port, count):
        ends = time.monotonic() + seconds
        with ThreadPoolExecutor(VISITORS) as pool:
            visits = [pool.submit(_visit, server, ends) for _ in range(VISITORS)]
            waits = [seconds for visit in visits for seconds in visit.result()]
        return SlowResult(waits, server.mebibytes)


def _visit(server: BenchmarkServer, ends: float) -> list[float | None]:
    """Create sessions until the time is over; return the seconds of each, None without an answer."""
    times: list[float | None] = []
    while (start := time.monotonic()) < ends:
        try:
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as visitor:
                ask(visitor, _BEGIN)
            times.append(time.monotonic() - start)
        except (OSError, RequestFailed):
            times.append(None)
    return times


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, help="seconds for each server (default: %(default)s)"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[400, 1000], metavar="N")
    parser.add_argument("--servers", type=int, metavar="N", help="only the first N servers")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

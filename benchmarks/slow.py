"""`python -m benchmarks.slow`: what `make bench-slow` runs.

Good clients create sessions, each request on a new connection: in turns alone, and beside
slow clients that upload one byte per second or never read their answers. Measures how many
good requests are answered, how fast, and the memory of the server.
"""

import argparse
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks import report
from benchmarks.deployment import PRODUCT, ROOT, BenchmarkServer, serving, sqlite
from benchmarks.load import RequestFailed, ask
from benchmarks.slow_clients import SlowClients, slow_clients, stuck_readers

OURS = "waitress, as `./run` has it"
KINDS: dict[str, Callable[[int, int], AbstractContextManager[SlowClients]]] = {
    "send slowly": slow_clients,
    "never read": stuck_readers,
}
VISITORS = 4
TURNS = 2
PATIENCE_SECONDS = 5
_HEADINGS = [
    "server", "slow clients", "good requests answered", "p50, p95 ms", "alone: p50, p95 ms",
    "memory MiB",
]  # fmt: skip
_BEGIN = (
    b"POST /api/v1/sessions/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
)
Waits = list[float | None]


@dataclass(frozen=True)
class SlowResult:
    """The seconds of each good request, None without an answer, and the memory of the server in MiB.

    `alone` are those of the turns without slow clients.
    """

    waits: Waits
    alone: Waits
    memory: int

    def cells(self) -> list[str]:
        answered = f"{len(_answered(self.waits)):,} of {len(self.waits):,}"
        return [answered, _times(self.waits), _times(self.alone), str(self.memory)]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    rows = [_HEADINGS]
    with sqlite() as env:
        subprocess.run(
            [sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True
        )
        servers = {OURS: PRODUCT} | {text: shlex.split(text) for text in options.server}
        for name, command in servers.items():
            for kind in KINDS:
                for count in options.clients:
                    result = _measure(command, env, kind, count, options.seconds)
                    rows.append([name, f"{count:,} {kind}", *result.cells()])
                    if not _answered(result.waits):  # more clients would not change that
                        break
    print((report.markdown if options.markdown else report.plain)(rows))
    return 0


def _measure(
    command: Sequence[str], env: Mapping[str, str], kind: str, count: int, seconds: float
) -> SlowResult:
    """Measure one server in turns, alone and with `count` slow clients."""
    waits: Waits = []
    alone: Waits = []
    with serving(command, env) as server:
        for _ in range(TURNS):
            alone += _visits(server, seconds / TURNS)
            with KINDS[kind](server.port, count):
                waits += _visits(server, seconds / TURNS)
        return SlowResult(waits, alone, server.mebibytes)


def _visits(server: BenchmarkServer, seconds: float) -> Waits:
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(VISITORS) as pool:
        visits = [pool.submit(_visit, server, ends) for _ in range(VISITORS)]
        return [wait for visit in visits for wait in visit.result()]


def _visit(server: BenchmarkServer, ends: float) -> Waits:
    """Create sessions until the time is over; return the seconds of each, None without an answer."""
    times: Waits = []
    while (start := time.monotonic()) < ends:
        try:
            with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as visitor:
                ask(visitor, _BEGIN)
            times.append(time.monotonic() - start)
        except (OSError, RequestFailed):
            times.append(None)
    return times


def _answered(waits: Waits) -> list[float]:
    """Return the seconds of answered requests, fastest first."""
    return sorted(seconds for seconds in waits if seconds is not None)


def _times(waits: Waits) -> str:
    times = _answered(waits)
    return ", ".join(
        f"{1000 * times[int(q * (len(times) - 1))]:,.0f}" for q in (0.5, 0.95) if times
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.slow")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument(
        "--seconds", type=float, default=10, help="seconds for each row (default: %(default)s)"
    )
    parser.add_argument("--clients", type=int, nargs="+", default=[8, 100, 500], metavar="N")
    parser.add_argument(
        "--server",
        action="append",
        default=[],
        metavar="COMMAND",
        help="measure another installed server too, like "
        "'-m gunicorn maria_project.wsgi --threads 4 --bind 127.0.0.1:{port}'",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

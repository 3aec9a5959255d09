"""`python -m benchmarks.processes`: processor time of a request with several web processes, beside one.

Both run at the same time on one PostgreSQL and one Redis, and get the same requests in turns,
on the same number of connections. The processor time of web processes is the measure: on
a busy machine it can be trusted, a rate cannot.
"""

import argparse
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from benchmarks import report
from benchmarks.comparison import send_load
from benchmarks.deployment import BenchmarkServer, postgres_and_redis, serving
from benchmarks.load import Job, ask

SERVE = ("manage.py", "serve", "--web-only", "--port", "{port}")
LINES = "HTTP/1.1\r\nHost: localhost\r\n"
CREATE = (
    f"POST /api/v1/sessions/ {LINES}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
)
_HEADINGS = ["case", "processes", "processor ms of a request", "times one process", "requests/s"]


@dataclass
class ProcessesRow:
    """The turns of one case with a number of processes: milliseconds of a request, and rates."""

    case: str
    processes: int
    milliseconds: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def cells(self, alone: "ProcessesRow") -> list[str]:
        time = median(self.milliseconds)
        ratio = time / median(alone.milliseconds)
        numbers = f"{time:.2f}", f"{ratio:.2f}", f"{median(self.rates):,.0f}"
        return [self.case, str(self.processes), *numbers]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    with postgres_and_redis() as env, ExitStack() as stack:
        servers: dict[int, BenchmarkServer] = {}
        for count in (1, options.processes):
            starting = serving(SERVE, {**env, "WEB_PROCESSES": str(count)})
            servers[count] = stack.enter_context(starting)
            _current(servers[count])  # The first one migrates the database.
        rows = [_HEADINGS, *_rows(servers, options)]
    print((report.markdown if options.markdown else report.plain)(rows))
    return 0


def _rows(
    servers: Mapping[int, BenchmarkServer], options: argparse.Namespace
) -> Iterator[list[str]]:
    """Measure the servers, which are by their numbers of processes, in turns."""
    for case, head in CASES.items():
        measured = {count: ProcessesRow(case, count) for count in servers}
        for turn in range(options.rounds + 1):
            for count, server in servers.items():
                heads = [head(server) for _ in range(options.connections)]
                _turn(measured[count], server, heads, options.requests, warm_up=not turn)
        yield from (row.cells(measured[1]) for row in measured.values())


def _turn(
    row: ProcessesRow, server: BenchmarkServer, heads: list[str], requests: int, *, warm_up: bool
) -> None:
    """Send requests and add their time to the row, unless it is the first turn of a server."""
    before = server.processor_seconds
    sent = send_load(Job(server.port, heads, body="", seconds=3600, limit=requests))
    if not warm_up:
        row.milliseconds.append(1000 * (server.processor_seconds - before) / requests)
        row.rates.append(sent.rate)


def _current(server: BenchmarkServer) -> str:
    """Return the request of a new visitor."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as visitor:
        head = ask(visitor, CREATE.encode()).head.decode()
    cookie = head.partition("Set-Cookie: ")[2].partition(";")[0]
    return f"GET /api/v1/sessions/current/ {LINES}Cookie: {cookie}\r\n\r\n"


CASES: dict[str, Callable[[BenchmarkServer], str]] = {
    "current": _current,
    "create": lambda _: CREATE,
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.processes")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/benchmarks.md"
    )
    parser.add_argument("--processes", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--connections", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=5, help="turns of each (default: %(default)s)"
    )
    parser.add_argument(
        "--requests", type=int, default=500, help="requests of a turn (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

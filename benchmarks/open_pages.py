"""`python -m benchmarks.open_pages`: how many open pages one core carries.

Open pages ask for the revision of their session. The processor time of the web process for one
question, and how often a page asks, give the number of pages. On a busy machine that can be
trusted, a rate cannot.
"""

import argparse
import json
import socket
import sys
from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks import report
from benchmarks.comparison import send_load
from benchmarks.deployment import PLENTY, BenchmarkServer, postgres_and_redis, serving, sqlite
from benchmarks.load import Job, ask
from benchmarks.processes import CREATE, LINES, SERVE

DATABASES = {"SQLite": sqlite, "PostgreSQL and Redis": postgres_and_redis}
# How often a page asks: frontend/src/store/watch.ts.
ACTIVE_SECONDS, IDLE_SECONDS = 4, 50
_BOUNDARY = "open-pages"
_FILE = (
    f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="report.pdf"\r\n\r\n'
    f"%PDF-1.7\n\r\n--{_BOUNDARY}--\r\n"
)
_PATH = "/api/v1/sessions/current/revision/"
_HEADINGS = ["database", "processor ms of a question", "active pages of a core", "idle pages"]


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    rows = [_HEADINGS]
    for name in options.database or DATABASES:
        with DATABASES[name]() as env, serving(SERVE, _settings(env)) as server:
            rows.append(_row(name, _milliseconds(server, options)))
    print((report.markdown if options.markdown else report.plain)(rows))
    return 0


def _settings(env: Mapping[str, str]) -> dict[str, str]:
    return {**env, "RATE_LIMIT_REVISION": PLENTY, "WEB_PROCESSES": "1"}


def _row(name: str, milliseconds: float) -> list[str]:
    a_second = 1000 / milliseconds
    pages = [f"{a_second * seconds:,.0f}" for seconds in (ACTIVE_SECONDS, IDLE_SECONDS)]
    return [name, f"{milliseconds:.2f}", *pages]


def _milliseconds(server: BenchmarkServer, options: argparse.Namespace) -> float:
    """Return the median of the turns; the first one only warms up."""
    heads = [_question(server) for _ in range(options.connections)]
    job = Job(server.port, heads, body="", seconds=3600, limit=options.requests)
    turns = [_turn(server, job) for _ in range(options.rounds + 1)]
    return median(turns[1:])


def _turn(server: BenchmarkServer, job: Job) -> float:
    before = server.processor_seconds
    send_load(job)
    return 1000 * (server.processor_seconds - before) / job.limit


def _question(server: BenchmarkServer) -> str:
    """Return the question of a new visitor with a file, whose page knows the revision."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as visitor:
        created = ask(visitor, CREATE.encode())
        cookie = created.head.decode().partition("Set-Cookie: ")[2].partition(";")[0]
        proof = f"{LINES}Cookie: {cookie}\r\nX-Session-UUID: {json.loads(created.body)['uuid']}\r\n"
        kind = f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n"
        length = f"Content-Length: {len(_FILE)}\r\n\r\n"
        ask(visitor, f"POST /api/v1/uploads/ {proof}{kind}{length}{_FILE}".encode())
        revision = json.loads(ask(visitor, f"GET {_PATH} {proof}\r\n".encode()).body)["revision"]
    return f'GET {_PATH} {proof}If-None-Match: "{revision}"\r\n\r\n'


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.open_pages")
    parser.add_argument(
        "--markdown", action="store_true", help="print the table of docs/capacity.md"
    )
    parser.add_argument("--database", action="append", choices=DATABASES)
    parser.add_argument("--connections", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns (default: %(default)s)")
    parser.add_argument(
        "--requests", type=int, default=1000, help="questions of a turn (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.load`: sends requests to a server on keep-alive connections.

Reads a job from standard input and prints the measurement, both as JSON. It runs
in its own process, so that it does not wait for the server's interpreter.
"""

import json
import re
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

CHUNK = 256 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Job:
    """What to send: headers for each connection, and the same body (a file, or none) for all.

    Ends after `seconds`, or after `limit` requests.
    """

    port: int
    heads: list[str]
    body: str
    seconds: float
    limit: int


@dataclass(frozen=True)
class LoadMeasurement:
    """Requests per second, and the median and 95th percentile of their times in ms."""

    rate: float
    p50: float
    p95: float


class RequestFailed(Exception):
    """The server did not answer 2xx. The message is its answer."""


def run(job: Job) -> LoadMeasurement:
    """Send the requests of a job and measure them. Raises RequestFailed."""
    body = Path(job.body).read_bytes() if job.body else b""
    start = time.monotonic()
    with ThreadPoolExecutor(len(job.heads)) as pool:
        turns = iter(range(job.limit))  # shared: `next` is atomic
        ends = start + job.seconds
        visits = [
            pool.submit(_visit, job.port, head.encode() + body, turns, ends) for head in job.heads
        ]
        times = sorted(seconds for visit in visits for seconds in visit.result())
    rate = len(times) / (time.monotonic() - start)
    return LoadMeasurement(rate, _milliseconds(times, 0.5), _milliseconds(times, 0.95))


def ask(connection: socket.socket, request: bytes) -> bytes:
    """Send a request, read the answer and return its headers. Raises RequestFailed."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(CHUNK)
        if not more:
            raise RequestFailed("the connection was closed")
        received += more
    head, _, begun = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    if head[9:10] != b"2" or length is None:
        raise RequestFailed(received.decode("latin-1"))
    missing = int(length[1]) - len(begun)
    while missing > 0:
        missing -= len(connection.recv(CHUNK))
    return head


def _visit(port: int, request: bytes, turns: Iterator[int], ends: float) -> list[float]:
    times = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (start := time.monotonic()) < ends and next(turns, None) is not None:
            ask(connection, request)
            times.append(time.monotonic() - start)
    return times


def _milliseconds(times: list[float], share: float) -> float:
    return 1000 * times[int(share * (len(times) - 1))]


if __name__ == "__main__":
    print(json.dumps(asdict(run(Job(**json.load(sys.stdin))))))

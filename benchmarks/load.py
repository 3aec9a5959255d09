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
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


@dataclass(frozen=True)
class Job:
    """What to send: a request for each connection, and the same body (a file, or none) for all.

    Every answer has to contain a text. Ends after `seconds`, or after `limit` requests.
    """

    port: int
    heads: list[str]
    body: str
    seconds: float
    limit: int
    contains: str = ""


@dataclass(frozen=True)
class LoadMeasurement:
    """How many requests were sent, their rate per second, and the median and p95 of their times in ms."""

    requests: int
    rate: float
    p50: float
    p95: float


@dataclass(frozen=True)
class Answer:
    """The status line with the headers, and the body in the pieces that arrived."""

    head: bytes
    pieces: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)


class RequestFailed(Exception):
    """The server did not answer 2xx or 304, or not what was expected. The message is its answer."""


def run(job: Job) -> LoadMeasurement:
    """Send the requests of a job and measure them. Raises RequestFailed."""
    body = Path(job.body).read_bytes() if job.body else b""
    start = time.monotonic()
    with ThreadPoolExecutor(len(job.heads)) as pool:
        turns = iter(range(job.limit))  # shared: `next` is atomic
        visits = [
            pool.submit(_visit, job, head.encode() + body, turns, start + job.seconds)
            for head in job.heads
        ]
        times = sorted(seconds for visit in visits for seconds in visit.result())
    rate = len(times) / (time.monotonic() - start)
    return LoadMeasurement(len(times), rate, _milliseconds(times, 0.5), _milliseconds(times, 0.95))


def ask(connection: socket.socket, request: bytes) -> Answer:
    """Send a request and read the answer. Raises RequestFailed."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection)
    head, _, begun = received.partition(b"\r\n\r\n")
    if head[9:12] == b"304":  # It has no body.
        return Answer(head, [begun])
    if head[9:10] != b"2":
        raise RequestFailed(received.decode("latin-1"))
    answer = Answer(head, [begun])
    if _CHUNKED.search(head):
        while not answer.pieces[-1].endswith(_LAST_CHUNK):
            answer.pieces.append(_receive(connection))
    elif length := _LENGTH.search(head):
        missing = int(length[1]) - len(begun)
        while missing > 0:
            answer.pieces.append(_receive(connection))
            missing -= len(answer.pieces[-1])
    else:
        raise RequestFailed(received.decode("latin-1"))
    return answer


def _receive(connection: socket.socket) -> bytes:
    if more := connection.recv(CHUNK):
        return more
    raise RequestFailed("the connection was closed")


def _visit(job: Job, request: bytes, turns: Iterator[int], ends: float) -> list[float]:
    times, contains = [], job.contains.encode()
    with socket.create_connection(("127.0.0.1", job.port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (start := time.monotonic()) < ends and next(turns, None) is not None:
            answer = ask(connection, request)
            times.append(time.monotonic() - start)
            if contains and contains not in answer.body:
                raise RequestFailed(answer.body.decode("latin-1"))
    return times


def _milliseconds(times: list[float], share: float) -> float:
    return 1000 * times[int(share * (len(times) - 1))]


if __name__ == "__main__":
    print(json.dumps(asdict(run(Job(**json.load(sys.stdin))))))

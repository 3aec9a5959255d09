"""Clients that upload a byte a second, or never read their answers, do not delay other visitors.

The tests use the real web server of `./run`. It starts with fewer open files than
there are slow clients, so it has to raise its own limit. Every good request is a
whole visit: create a session, upload a file. The bound is far above the time of a
visit and far below the time of a slow client.
"""

import json
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from benchmarks.slow_clients import slow_clients, stuck_readers
from tests.helpers import SOAK, pdf
from tests.maria_project.server import wait_for
from tests.uploads_app.samples import UPLOADS
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, serving

CLIENTS, READERS, SECONDS = (1000, 500, 60) if SOAK else (300, 100, 2)
LARGE_FILE = 5_000_000
FEW_FILES = 200
BOUND_SECONDS = 10

pytestmark = pytest.mark.slow


@contextmanager
def few_open_files() -> Iterator[None]:
    """Start processes with a low soft limit of open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def visit(server: UploadServer) -> float:
    """Create a session and upload a file; return the seconds that took."""
    start = time.monotonic()
    server.start_session()
    assert server.upload().status == 201
    return time.monotonic() - start


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """The web server, started with a low soft limit of open files."""
    with ExitStack() as stack:
        data = deployment(tmp_path_factory.mktemp("slow") / "data")
        with few_open_files():
            running = stack.enter_context(serving(data, WAITRESS))
        yield running


def visits(server: UploadServer) -> int:
    """Visit until the time is over; assert that every visit was answered, and return their number."""
    ends = time.monotonic() + SECONDS
    times = []
    while time.monotonic() < ends:
        times.append(visit(server))
    assert max(times) < BOUND_SECONDS
    return len(times)


def stored(server: UploadServer) -> int:
    return server.deployment.statuses().count("stored")


def test_t33_slow_uploaders_do_not_delay_other_visitors(server: UploadServer) -> None:
    before = stored(server)
    with slow_clients(server.port, CLIENTS) as slow:
        count = visits(server)
        assert slow.connected() == CLIENTS
    assert stored(server) - before == count


def test_t87_stuck_readers_do_not_delay_other_visitors(server: UploadServer) -> None:
    """Half of them read a static file, half a visitor's own large file."""
    upload = server.upload(pdf(size=LARGE_FILE))
    assert upload.status == 201
    path = f"{UPLOADS}{json.loads(upload.body)['id']}/download/"
    own = f"Cookie: {server.cookie}\r\n"
    before = stored(server)
    with (
        stuck_readers(server.port, READERS // 2) as strangers,
        stuck_readers(server.port, READERS // 2, path, own) as visitors,
    ):
        count = visits(server)
        # Each gets the beginning of its first answer, after the other visitors.
        wait_for(lambda: strangers.begun() == visitors.begun() == READERS // 2)
    assert stored(server) - before == count

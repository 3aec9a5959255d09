"""Clients that upload a byte a second do not delay other visitors.

The tests use the real web server of `./run`. It starts with fewer open files than
there are slow clients, so it has to raise its own limit. Every good request is a
whole visit: create a session, upload a file. The bound is far above the time of a
visit and far below the time of a slow client.
"""

import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from benchmarks.slow_clients import slow_clients
from tests.helpers import SOAK
from tests.uploads_app.server import WAITRESS, Deployment, UploadServer, deployment, serving

CLIENTS, SECONDS = (1000, 60) if SOAK else (300, 3)
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


@contextmanager
def serving_with_few_files(data: Deployment) -> Iterator[UploadServer]:
    """Run the web server with a low soft limit of open files."""
    with ExitStack() as stack:
        with few_open_files():
            server = stack.enter_context(serving(data, WAITRESS))
        yield server


def test_t33_slow_uploaders_do_not_delay_other_visitors(tmp_path: Path) -> None:
    data = deployment(tmp_path / "data")
    visits = []
    with serving_with_few_files(data) as server, slow_clients(server.port, CLIENTS) as slow:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            visits.append(visit(server))
        assert slow.connected() == CLIENTS
    assert max(visits) < BOUND_SECONDS
    assert data.statuses() == ["stored"] * len(visits)

"""Clients that upload a byte a second keep nobody else from being answered.

Against the real web server of `./run`, which is started with fewer open files
than there are slow clients: it has to ask for more itself. Every good request
is a whole visit: begin a session, upload a file. The bound is far above what a
visit takes and far below what a slow client takes.
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
    """Let processes that are started meanwhile have few open files, unless they ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def visit(server: UploadServer) -> float:
    """Begin a session and upload a file; return the seconds that took."""
    start = time.monotonic()
    server.start_session()
    assert server.upload().status == 201
    return time.monotonic() - start


@contextmanager
def serving_with_few_files(data: Deployment) -> Iterator[UploadServer]:
    """Run the web server, started by somebody who may open only a few files."""
    with ExitStack() as stack:
        with few_open_files():
            server = stack.enter_context(serving(data, WAITRESS))
        yield server


def test_t33_slow_uploaders_keep_no_one_from_being_answered(tmp_path: Path) -> None:
    data = deployment(tmp_path / "data")
    visits = []
    with serving_with_few_files(data) as server, slow_clients(server.port, CLIENTS) as slow:
        ends = time.monotonic() + SECONDS
        while time.monotonic() < ends:
            visits.append(visit(server))
        assert slow.connected() == CLIENTS
    assert max(visits) < BOUND_SECONDS
    assert data.statuses() == ["stored"] * len(visits)

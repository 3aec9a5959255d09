"""The threads of a web process share one processor, and the system may choose another one."""

import os
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from tests.helpers import pdf
from tests.maria_project.server import environment, process, wait_for
from tests.ports import free_port
from tests.uploads_app.server import WAITRESS, deployment, serving

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


PLENTY = {
    "RATE_LIMIT_UPLOAD": "100000/m",
    "UPLOAD_MAX_FILES": "10000",
    "UPLOAD_MAX_TOTAL_BYTES": "50000000000",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROCESSORS < 2, reason="needs Linux and two processors"),
]


def processors(pid: int) -> set[int]:
    """Return how many processors the threads of a process may use."""
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return {len(os.sched_getaffinity(thread)) for thread in threads}


def has_processors(pid: int, *counts: int) -> bool:
    return processors(pid) == set(counts)


def test_a_process_stays_on_one_processor_until_the_system_chooses_anew(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maria_project.web", "127.0.0.1", str(free_port())]
    with process(command, environment(tmp_path), tmp_path / "log") as web:
        for count in (1, PROCESSORS, 1):
            wait_for(partial(has_processors, web.pid, count), 30, f"{count} processors")


def test_an_upload_may_use_all_processors(tmp_path: Path) -> None:
    content, done = pdf(size=5_000_000), threading.Event()
    with serving(deployment(tmp_path / "data"), WAITRESS, **PLENTY) as server:

        def upload() -> None:
            while not done.is_set():
                server.upload(content)

        wait_for(partial(has_processors, server.pid, 1), 30, "1 processor")
        assert server.upload(content).status == 201
        uploads = threading.Thread(target=upload)
        uploads.start()
        deadline, sightings = time.monotonic() + 30, 0
        # The other threads stay. Several sightings, because all threads do not move at one moment.
        while sightings < 50 and time.monotonic() < deadline:
            sightings += has_processors(server.pid, 1, PROCESSORS)
        done.set()
        uploads.join()
        assert sightings == 50
        wait_for(partial(has_processors, server.pid, 1), 30, "1 processor")

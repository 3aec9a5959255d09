"""The threads of a web process share one processor, and the system may choose another one."""

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from maria_project.server.processor import Claims
from tests.helpers import pdf
from tests.maria_project.server import environment, process, wait_for
from tests.ports import free_port
from tests.uploads_app.server import WAITRESS, deployment, serving

# Prints the processor that it has claimed, and keeps it until its input ends.
CLAIM = """
import sys
from pathlib import Path
from maria_project.server.processor import Claims
claims, wanted = Claims(Path(sys.argv[1])), [int(number) for number in sys.argv[2:]]
print(claims.claim(wanted[0], set(wanted)), flush=True)
sys.stdin.read()
"""
# Prints how many processors a thread may use within `left` and after it.
LEFT = """
import os, threading
from maria_project.server.processor import OneProcessor
one, inside, done = OneProcessor(), threading.Event(), threading.Event()
def work():
    with one.left():
        inside.set()
        done.wait()
        print(len(os.sched_getaffinity(0)))
    print(len(os.sched_getaffinity(0)))
thread = threading.Thread(target=work)
thread.start()
inside.wait()
one.review()
done.set()
thread.join()
"""
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


def test_processes_claim_different_processors(tmp_path: Path) -> None:
    first, second = sorted(os.sched_getaffinity(0))[:2]
    both, file = {first, second}, tmp_path / "processors"
    with subprocess.Popen(
        [sys.executable, "-c", CLAIM, file, str(first), str(second)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout
        assert int(other.stdout.readline()) == first
        claims = Claims(file)
        assert claims.others(both) == {first}
        assert claims.claim(first, both) == second
        # A third process stays where the system has put it, until a claim is given up.
        assert _claimed_by_another(file, first, second) == first
        assert claims.others(both) == {first}
        assert _claimed_by_another(file, first, second) == second

    assert claims.others(both) == set()
    assert claims.claim(first, both) == first


def _claimed_by_another(file: Path, *wanted: int) -> int:
    command = [sys.executable, "-c", CLAIM, str(file), *map(str, wanted)]
    return int(subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout)


def test_several_web_processes_are_never_on_the_same_processor(tmp_path: Path) -> None:
    counts = tmp_path / "metrics"
    counts.mkdir()
    with ExitStack() as stack:
        webs = [
            stack.enter_context(
                process(
                    [sys.executable, "-m", "maria_project.web", "127.0.0.1", str(free_port()),
                     "--counts", str(counts / name)],
                    environment(tmp_path), tmp_path / f"log {name}",
                )
            )
            for name in ("1a", "2a")
        ]  # fmt: skip
        for web in webs:
            wait_for(partial(has_processors, web.pid, 1), 30, "1 processor")
        # Each chooses anew meanwhile.
        deadline = time.monotonic() + 6
        while time.monotonic() < deadline:
            places = [frozenset(os.sched_getaffinity(web.pid)) for web in webs]
            assert places[0] != places[1] or len(places[0]) > 1
            time.sleep(0.01)


def test_a_review_leaves_a_thread_that_may_use_all_processors() -> None:
    shown = subprocess.run([sys.executable, "-c", LEFT], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == [str(PROCESSORS), "1"]


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

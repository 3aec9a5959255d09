"""After a test run was killed, no server, browser or folder of it remains."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests import scratch, watchdog
from tests.maria_project.server import ROOT, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="it needs a /proc"),
]
# The processes of a run: servers with their own folders, a process whose parent has ended, and
# one with its own environment.
RUN = """
import os, subprocess, sys, time
from pathlib import Path
from tests import postgres, redis_server, s3_server, scratch
from tests.maria_project.server import environment
folder = scratch.begin_run()
with redis_server.serving(), s3_server.serving(), postgres.serving():
    subprocess.run(["sh", "-c", "sleep 1000 &"])
    subprocess.Popen(["sleep", "1001"], env=environment(folder / "data"), start_new_session=True)
    print(folder, flush=True)
    time.sleep(1000)
"""


@pytest.fixture
def run() -> Iterator["subprocess.Popen[str]"]:
    # Its folder is beside this run's folder, not in it.
    own = (scratch.VARIABLE, "TMPDIR")
    env = {name: value for name, value in os.environ.items() if name not in own}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=ROOT, env={**env, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    with process:
        yield process
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("whole_group", [False, True])
def test_a_killed_run_leaves_neither_process_nor_folder(
    run: "subprocess.Popen[str]", whole_group: bool
) -> None:
    assert run.stdout is not None
    folder = Path(run.stdout.readline().strip())
    assert folder.is_dir()
    assert len(list(watchdog.leftovers(folder))) >= 6  # including the watchdog of that run

    (os.killpg if whole_group else os.kill)(run.pid, signal.SIGKILL)

    wait_for(lambda: not folder.exists(), what="the folder to be removed")
    # A killed process that waits for its disk is still listed.
    wait_for(lambda: not list(watchdog.leftovers(folder)), what="its processes to end")

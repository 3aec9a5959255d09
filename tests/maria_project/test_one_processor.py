"""The threads of a web process share one processor, and the system may choose another one."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.maria_project.server import environment, process, wait_for
from tests.ports import free_port

PROCESSORS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1


def has_processors(pid: int, count: int) -> bool:
    """Return whether each thread of a process may use so many processors."""
    threads = [int(thread.name) for thread in Path(f"/proc/{pid}/task").iterdir()]
    return {len(os.sched_getaffinity(thread)) for thread in threads} == {count}


@pytest.mark.slow
@pytest.mark.skipif(PROCESSORS < 2, reason="needs Linux and two processors")
def test_a_process_stays_on_one_processor_until_the_system_chooses_anew(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "maria_project.web", "127.0.0.1", str(free_port())]
    with process(command, environment(tmp_path), tmp_path / "log") as web:
        for count in (1, PROCESSORS, 1):
            wait_for(partial(has_processors, web.pid, count), 30, f"{count} processors")

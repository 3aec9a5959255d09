"""`watchdog.py PID FOLDER`: wait until a test run has ended, then end its processes and remove its folder.

A killed run cannot end its servers and browsers. Each of them names the run's
folder: in its environment, in its command or as its working folder. They are
found by it (where there is a /proc), killed, and the folder is removed.
"""

import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PATIENCE = 60.0
# A process that starts another program names nothing for a moment, so one look is not enough.
REPEATS = 3


def main(pid: int, folder: Path) -> None:
    """Wait for the process, then kill its leftovers and remove its folder."""
    _wait(pid)
    deadline = time.monotonic() + PATIENCE
    empty = 0
    while empty < REPEATS and time.monotonic() < deadline:
        left = list(leftovers(folder))
        empty = 0 if left else empty + 1
        for number in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(number, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def leftovers(folder: Path) -> Iterator[int]:
    """Yield the processes, other than this one, that name the folder."""
    mark = os.fsencode(folder)
    for entry in PROC.glob("[0-9]*"):
        if int(entry.name) != os.getpid() and _names(entry, mark):
            yield int(entry.name)


def _names(entry: Path, mark: bytes) -> bool:
    with suppress(OSError):
        if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return False
        if mark in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
            return True
        return mark in os.fsencode((entry / "cwd").readlink())
    return False


def _wait(pid: int) -> None:
    if hasattr(os, "pidfd_open"):
        with suppress(ProcessLookupError):
            select.select([os.pidfd_open(pid)], [], [])
        return
    while os.getppid() == pid:
        time.sleep(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

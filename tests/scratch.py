"""Temporary folders of tests, which are removed at the end of a run."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3
# Names the folder of a run. Every process of the run has it in its environment,
# its command or its working folder: that is how the watchdog finds them.
VARIABLE = "MARIA_TEST_DATA"
_WATCHDOG = Path(__file__).with_name("watchdog.py")


def fast_folder() -> Path | None:
    """Return the folder of the run; without a run one in memory, if there is room, or None.

    None means the system's temporary folder. Two campaigns that sync to one disk
    wait for each other.
    """
    if run := os.environ.get(VARIABLE):
        return Path(run)
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return MEMORY if roomy else None


def begin_run() -> Path:
    """Create the folder of a test run, and a watchdog that removes it when this process has ended.

    The watchdog also ends processes of the run, even if the run was killed.
    """
    folder = Path(tempfile.mkdtemp(prefix="maria-tests-", dir=fast_folder()))
    folder.chmod(0o711)  # PostgreSQL, as another user, passes through
    os.environ[VARIABLE] = str(folder)
    subprocess.Popen(
        [sys.executable, "-IS", _WATCHDOG, str(os.getpid()), folder],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # neither Ctrl-C nor a killed process group reaches it
    )
    return folder

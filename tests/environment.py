"""A pytest plugin that gives the tests settings of their own, before Django reads any.

No `.env` is read, and data goes to a folder that is removed at the end.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis

MEMORY = Path("/dev/shm")
ROOM = 2 * 1024**3

# Timing never decides a test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

os.environ["ENV_FILE"] = os.devnull
os.environ["LOG_LEVEL"] = "DEBUG"
if "MARIA_TEST_DATA" not in os.environ:
    # In memory where there is room: two campaigns that sync to one disk wait for each other.
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    data = tempfile.mkdtemp(prefix="maria-tests-", dir=MEMORY if roomy else None)
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    os.environ["MARIA_TEST_DATA"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = data
os.environ["DATA_DIR"] = os.environ["MARIA_TEST_DATA"]

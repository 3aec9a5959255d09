"""A pytest plugin that gives the tests settings of their own, before Django reads any.

No `.env` is read, and data goes to a folder that is removed at the end. Where
a Redis is given, each process of the run has a database of its own in it.
"""

import atexit
import os
import shutil
import tempfile

import hypothesis

from tests import scratch

# Timing never decides a test.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

os.environ["ENV_FILE"] = os.devnull
os.environ["LOG_LEVEL"] = "DEBUG"
if "MARIA_TEST_DATA" not in os.environ:
    data = tempfile.mkdtemp(prefix="maria-tests-", dir=scratch.fast_folder())
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    os.environ["MARIA_TEST_DATA"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = data
os.environ["DATA_DIR"] = os.environ["MARIA_TEST_DATA"]
if redis := os.environ.get("TEST_REDIS_URL"):
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    # A machine that is busy with tests may be slower than the product puts up with.
    patience = "socket_timeout=10&socket_connect_timeout=10"
    os.environ["CACHE_URL"] = f"{redis}/{number}?{patience}"

"""A pytest plugin that sets the environment of the tests before Django reads it.

No `.env` is read, and data is kept in a folder that is removed at the end. Where
a Redis is given, each process of the run has a database of its own in it.
"""

import os
from pathlib import Path

import hypothesis

from tests import scratch

# No test fails because of its timing.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

os.environ["ENV_FILE"] = os.devnull
os.environ["LOG_LEVEL"] = "DEBUG"
if scratch.VARIABLE not in os.environ:
    scratch.begin_run()
# Also for temporary files of libraries and browsers, which are removed with the run.
os.environ["TMPDIR"] = os.environ["PYTEST_DEBUG_TEMPROOT"] = os.environ[scratch.VARIABLE]
# Each pass creates its own databases; see `python -m tests`.
# Below the folder of the run, through which other accounts pass: nobody else may open the data.
data = Path(os.environ[scratch.VARIABLE], os.environ.get("MARIA_TEST_PASS", ""), "data")
data.mkdir(parents=True, exist_ok=True)
os.environ["DATA_DIR"] = str(data)
if redis := os.environ.get("TEST_REDIS_URL"):
    number = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    # A machine that is busy with tests may be slower than the product's deadlines.
    patience = "socket_timeout=10&socket_connect_timeout=10"
    os.environ["CACHE_URL"] = f"{redis}/{number}?{patience}"

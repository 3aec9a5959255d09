"""A pytest plugin that gives the tests settings of their own, before Django reads any.

No `.env` is read, and data goes to a folder that is removed at the end.
"""

import atexit
import os
import shutil
import tempfile

os.environ["ENV_FILE"] = os.devnull
os.environ["LOG_LEVEL"] = "DEBUG"
if "MARIA_TEST_DATA" not in os.environ:
    os.environ["MARIA_TEST_DATA"] = tempfile.mkdtemp(prefix="maria-tests-")
    atexit.register(shutil.rmtree, os.environ["MARIA_TEST_DATA"], ignore_errors=True)
os.environ["DATA_DIR"] = os.environ["MARIA_TEST_DATA"]

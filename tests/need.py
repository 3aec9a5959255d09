"""Programs that tests need: without one a test is skipped, and fails in CI."""

import os
import shutil
from typing import NoReturn

import pytest

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def missing(message: str) -> NoReturn:
    """Skip the test; fail it in CI, which installs everything. The message says how to install it."""
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def need(program: str, package: str) -> str:
    """Return the path of a program that a package of Debian has."""
    found = shutil.which(program, path=_PATH)
    return found or missing(f"{program} is missing: apt-get install {package}")

"""Programs that check the files of deploy/."""

import os
import shutil

import pytest

_PATH = f"{os.environ['PATH']}:/usr/sbin:/sbin"


def need(program: str, package: str) -> str:
    """Return the path of a program of Debian; if it is missing, skip the test, and fail it in CI."""
    if found := shutil.which(program, path=_PATH):
        return found
    hint = f"{program} is missing: apt-get install {package}"
    if os.environ.get("CI"):
        pytest.fail(hint)
    pytest.skip(hint)

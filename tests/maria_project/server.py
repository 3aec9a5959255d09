"""Processes of the product, on a free port and with their own data."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
MANAGE = [sys.executable, str(ROOT / "manage.py")]


def environment(data: Path, **extra: str) -> dict[str, str]:
    """Return an environment with `data` as DATA_DIR and no other setting."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "DATA_DIR": str(data), "ENV_FILE": os.devnull, **extra}


def test_database() -> dict[str, str]:
    """Return the variables for another process that uses the database and queue of the test."""
    values = connection.settings_dict
    url = f"sqlite:///{values['NAME']}"
    if connection.vendor == "postgresql":
        where = f"{values['USER']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
        url = f"postgres://{where}"
    return {"DATABASE_URL": url, "SECRET_KEY": settings.SECRET_KEY}


test_database.__test__ = False  # type: ignore[attr-defined]  # a helper, not a test


@contextmanager
def process(
    command: Sequence[str], env: dict[str, str], log: Path, umask: int = -1
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in its own process session; end the session afterwards."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, env=env, stdout=out, stderr=out, cwd=ROOT, start_new_session=True, umask=umask
        )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()


def run_quietly(command: Sequence[str]) -> str:
    """Run a command in ROOT and return its output; fail the test if it fails."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Wait until `condition` is true and return its value; fail the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.1)
    raise AssertionError(f"waited {seconds} s for {what or condition}")


def children_of(pid: int, word: str) -> list[int]:
    """Return the ids of the child processes that have `word` in their command."""
    command = ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(pid)]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if word in line]


def answers(url: str) -> bool:
    """Return whether a URL answers 200."""
    try:
        return requests.get(url, timeout=5).status_code == 200
    except (requests.ConnectionError, requests.Timeout):
        return False

"""Processes that tests start in order to kill them: forked with Django loaded, watched by strace."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from django.db import connection, connections

from tests.need import missing

STRACE_HINT = "apt-get install strace"
# A crash can leave something after these: steps on disk, and statements sent to PostgreSQL.
STEPS = (
    "fsync", "fdatasync", "mkdir", "mkdirat", "link", "linkat", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "rmdir", "sendto",
)  # fmt: skip
_PR_SET_PTRACER, _ANY = 0x59616D61, -1


def need_strace() -> None:
    """Skip the test if strace is missing; fail it in CI."""
    if not shutil.which("strace"):
        missing(f"strace is missing: {STRACE_HINT}")


@dataclass
class SpawnedProcess:
    """A forked process that waits for `go`, then works and reports lines."""

    pid: int
    _start: int
    _reports: int
    _rest: bytes = b""
    _strace: "subprocess.Popen[bytes] | None" = field(default=None)

    def inject(self, what: str) -> None:
        """Let strace inject a fault into the child, like `fsync:signal=KILL:when=3`."""
        calls = what.split(":", maxsplit=1)[0]
        self._strace = subprocess.Popen(
            ["strace", "-o", os.devnull, "-e", f"trace={calls}", "-e", f"inject={what}",
             "-p", str(self.pid)],
            stderr=subprocess.PIPE,
        )  # fmt: skip
        assert self._strace.stderr is not None
        said = self._strace.stderr.readline()
        assert b"attached" in said, said

    def kill_before(self, call: str, number: int) -> None:
        """Let strace kill the child before its call of that name and number, if there is one."""
        self.inject(f"?{call}:signal=KILL:when={number}")  # `?`: some machines lack some calls

    def go(self) -> None:
        """Let the child start its work."""
        os.write(self._start, b"g")
        os.close(self._start)

    def next_report(self) -> str:
        """Wait for the child's next line; empty if it has died."""
        while b"\n" not in self._rest:
            more = os.read(self._reports, 65536)
            if not more:
                return ""
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    def kill(self) -> None:
        """SIGKILL."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def end(self) -> tuple[int, list[str]]:
        """Wait until it has died; return its exit code, -9 if killed, and its remaining lines."""
        lines = list(iter(self.next_report, ""))
        os.close(self._reports)
        _, status = os.waitpid(self.pid, 0)
        if self._strace is not None:
            self._strace.wait(30)
            assert self._strace.stderr is not None
            self._strace.stderr.close()
        return os.waitstatus_to_exitcode(status), lines


def fork(work: Callable[[Callable[[str], None]], None]) -> SpawnedProcess:
    """Fork a process that does `work(say)` with a database connection of its own.

    A line of `say` arrives completely or not at all. An exception is reported and ends it with 1.
    """
    connections.close_all()
    start_read, start_write = os.pipe()
    report_read, report_write = os.pipe()
    pid = os.fork()
    if pid:
        os.close(start_read)
        os.close(report_write)
        return SpawnedProcess(pid, start_write, report_read)
    code = 1
    try:
        os.close(start_write)
        os.close(report_read)
        _let_strace_attach()
        os.read(start_read, 1)
        work(lambda line: _say(report_write, line))
        connection.close()
        code = 0
    except BaseException:
        _say(report_write, "failed " + traceback.format_exc().replace("\n", " | "))
    finally:
        os._exit(code)  # nothing of pytest's may run in the child


def wait_for_other_backends() -> None:
    """Wait until PostgreSQL has noticed killed clients: a last COMMIT may be in progress."""
    if connection.vendor != "postgresql":
        return
    for _ in range(500):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if cursor.fetchone() == (0,):
                return
        time.sleep(0.01)
    pytest.fail("a killed process is still connected")


def _say(report: int, line: str) -> None:
    os.write(report, line.encode() + b"\n")


def _let_strace_attach() -> None:
    """Allow every process to trace this child, because Yama may allow only parents."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANY), 0, 0, 0)

"""Temporary servers: databases, Redis, the product and the baseline program."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests import postgres, redis_server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("-m", "maria_project.web", "127.0.0.1", "{port}")
START_SECONDS = 60
PLENTY = "100000000/m"
_LIMITS = ("CREATE", "VALIDATE", "FAILED_PROOF", "SESSION", "UPLOAD")


@dataclass(frozen=True)
class BenchmarkServer:
    """A server that listens on `port` of the loopback interface."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def mebibytes(self) -> int:
        """Resident memory of the process and its children in MiB; 0 if the system does not report it."""
        pid = self.process.pid
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return round(sum(map(_kibibytes, [str(pid), *children])) / 1024)
        return 0


@contextmanager
def sqlite() -> Iterator[dict[str, str]]:
    """Yield the environment of a deployment on SQLite; delete its data afterwards."""
    with tempfile.TemporaryDirectory(prefix="maria-bench-") as folder:
        yield _environment(Path(folder))


@contextmanager
def postgres_and_redis() -> Iterator[dict[str, str]]:
    """Yield the environment of a deployment on Redis and PostgreSQL with fsync."""
    with sqlite() as env, ExitStack() as stack:
        database = stack.enter_context(postgres.serving(fsync=True, on_disk=True))
        cache = stack.enter_context(redis_server.serving())
        yield {
            **env,
            "DATABASE_URL": database.url,
            "CACHE_URL": f"{cache.url}/0",
        }


@contextmanager
def serving(command: Sequence[str], env: Mapping[str, str]) -> Iterator[BenchmarkServer]:
    """Run `python command…`, with `{port}` replaced, until the block ends.

    Raises RuntimeError with its output if it does not listen within START_SECONDS.
    """
    port = free_port()
    arguments = [sys.executable, *(part.format(port=port) for part in command)]
    output = Path(env["DATA_DIR"], f"output-{port}")
    with output.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            arguments, cwd=ROOT, env=env, stdout=log, stderr=log
        )
    try:
        _wait(port, process, output)
        yield BenchmarkServer(port, process)
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(ConnectionError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} does not listen:\n{output.read_text()}")


def _kibibytes(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment of the product without rate limits and quotas."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        **{f"RATE_LIMIT_{name}": PLENTY for name in _LIMITS},
        "UPLOAD_MAX_FILES": "1000000",
        "UPLOAD_MAX_TOTAL_BYTES": str(10**15),
        "DATA_DIR": str(folder),
        "ENV_FILE": os.devnull,
        "LOG_FILE": str(folder / "log"),
        "TMPDIR": str(folder),
        "DJANGO_SETTINGS_MODULE": "maria_project.settings",
        "PYTHONPATH": str(ROOT),
    }

"""Temporary servers: databases, Redis, the product and the baseline program."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from benchmarks import resources
from tests import postgres, redis_server
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("-m", "maria_project.web", "127.0.0.1", "{port}")
START_SECONDS = 60
PLENTY = "100000000/m"
_LIMITS = ("CREATE", "VALIDATE", "FAILED_PROOF", "SESSION", "UPLOAD", "SERVICE", "STAFF_SEARCH")


@dataclass(frozen=True)
class BenchmarkServer:
    """A server that listens on `port` of the loopback interface."""

    port: int
    process: "subprocess.Popen[bytes]"

    @property
    def mebibytes(self) -> int:
        """Memory of its processes in MiB; 0 if the system does not report it."""
        return resources.mebibytes(self.process.pid)

    @property
    def processor_seconds(self) -> float:
        """User and system time of its processes so far; 0 if the system does not report it."""
        return resources.processor_seconds(self.process.pid)


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


# By name: a title and the environment.
DEPLOYMENTS: dict[str, tuple[str, Callable[[], AbstractContextManager[dict[str, str]]]]] = {
    "sqlite": ("SQLite", sqlite),
    "postgresql": ("PostgreSQL with Redis", postgres_and_redis),
}


def beside(env: Mapping[str, str], name: str, number: int) -> dict[str, str]:
    """Return the environment of one more program on the same servers.

    It has a folder and a database called `name` of its own, and the Redis database `number`.
    """
    own = {**env, **_folders(Path(env["DATA_DIR"], name))}
    if url := env.get("DATABASE_URL"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        own["DATABASE_URL"] = f"{url.rpartition('/')[0]}/{name}"
        own["CACHE_URL"] = f"{env['CACHE_URL'].rpartition('/')[0]}/{number}"
    return own


def serving(
    command: Sequence[str], env: Mapping[str, str]
) -> AbstractContextManager[BenchmarkServer]:
    """Run `python command…` as `running` does."""
    return running([sys.executable, *command], env)


@contextmanager
def running(
    command: Sequence[str], env: Mapping[str, str], folder: Path = ROOT
) -> Iterator[BenchmarkServer]:
    """Run a command in a folder, with `{port}` replaced, until the block ends.

    Raises RuntimeError with its output if it does not listen within START_SECONDS.
    """
    port = free_port()
    arguments = [part.format(port=port) for part in command]
    output = Path(env["DATA_DIR"], f"output-{port}")
    with output.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  (our own command line)
            arguments, cwd=folder, env=env, stdout=log, stderr=log
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


def _environment(folder: Path) -> dict[str, str]:
    """Return an environment of the product without rate limits and quotas."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        **{f"RATE_LIMIT_{name}": PLENTY for name in _LIMITS},
        "UPLOAD_MAX_FILES": "1000000",
        "UPLOAD_MAX_TOTAL_BYTES": str(10**15),
        "ENV_FILE": os.devnull,
        "DJANGO_SETTINGS_MODULE": "maria_project.settings",
        "PYTHONPATH": str(ROOT),
        **_folders(folder),
    }


def _folders(folder: Path) -> dict[str, str]:
    folder.mkdir(exist_ok=True)
    return {"DATA_DIR": str(folder), "LOG_FILE": str(folder / "log"), "TMPDIR": str(folder)}

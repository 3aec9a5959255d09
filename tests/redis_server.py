"""A throw-away Redis server on a private port: for one test run, or for a test that kills it."""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import redis

from tests import scratch
from tests.need import missing
from tests.ports import free_port

INSTALL_HINT = "apt-get install redis-server"
# One for each process of a test run.
DATABASES = 64


def is_installed() -> bool:
    """Return whether Redis is installed."""
    return shutil.which("redis-server") is not None


def need_redis() -> None:
    """Skip the test if Redis is missing; fail it in CI."""
    if not is_installed():
        missing(f"redis-server is missing: {INSTALL_HINT}")


@dataclass
class RedisServer:
    """A server that can be killed, paused and started again, empty, on the same port."""

    folder: str
    port: int
    address: str = "127.0.0.1"
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        """Its URL, without the number of a database."""
        return f"redis://{self.address}:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers; RuntimeError if it does not."""
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", self.address, "--save", "",
             "--protected-mode", "no", "--databases", str(DATABASES), "--dir", self.folder],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        for _ in range(100):
            try:
                redis.Redis.from_url(self.url).ping()
            except redis.ConnectionError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError("the throw-away Redis did not start")

    def kill(self) -> None:
        """SIGKILL."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait(30)

    def pause(self) -> None:
        """SIGSTOP: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process:
            self._process.send_signal(number)


@contextmanager
def serving() -> Iterator[RedisServer]:
    """Run an empty server; RuntimeError if it does not start."""
    if not is_installed():
        raise RuntimeError(f"Redis is not installed: {INSTALL_HINT}")
    with tempfile.TemporaryDirectory(prefix="maria-redis-", dir=scratch.fast_folder()) as folder:
        server = RedisServer(folder, free_port())
        try:
            server.start()
            yield server
        finally:
            server.kill()

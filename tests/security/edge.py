"""Real servers of the product, and clients with their own addresses."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, HTTPHeaderDict

from tests.maria_project.server import answers, wait_for
from tests.ports import free_port
from tests.uploads_app.server import ROOT, WAITRESS, Deployment, deployment

UUID = "9b2f8f6e-3c1d-4a57-8e21-0d4c5b6a7f80"


@dataclass(frozen=True)
class Edge:
    """A running server: its port and its data."""

    port: int
    deployment: Deployment

    @property
    def log(self) -> str:
        """The log so far."""
        return (self.deployment.data / "log").read_text()


@contextmanager
def started(folder: Path, **env: str) -> Iterator[Edge]:
    """Start the web server of `./run` with its own data; `ready` waits for it."""
    port = free_port()
    with launched(folder, [*WAITRESS, str(port)], **env) as own:
        yield Edge(port, own)


@contextmanager
def launched(
    folder: Path, command: list[str], pass_fds: Sequence[int] = (), /, **env: str
) -> Iterator[Deployment]:
    """Start a server of the product with its own data."""
    own = deployment(folder)
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT, env={**own.environment, **env}, stdout=output, stderr=output,
            pass_fds=pass_fds,
        )  # fmt: skip
    try:
        yield own
    finally:
        process.terminate()
        process.wait(30)


def all_started(stack: ExitStack, folder: Path, *envs: dict[str, str]) -> list[Edge]:
    """Start several servers at once, one for each environment, and wait until all answer."""
    edges = [
        stack.enter_context(started(folder / str(number), **env)) for number, env in enumerate(envs)
    ]
    for edge in edges:
        ready(edge.port)
    return edges


def ready(port: int, host: str = "127.0.0.1") -> None:
    """Wait until a server answers."""
    wait_for(lambda: answers(f"http://{host}:{port}/health/live"), what="the server")


def shared_cache() -> dict[str, str]:
    """Return the variable that names the run's shared cache, if it has one."""
    return {"CACHE_URL": os.environ["CACHE_URL"]} if os.environ.get("CACHE_URL") else {}


def fresh_source() -> str:
    """Return an address of this machine that was not used yet."""
    return ".".join(["127", *(str(1 + secrets.randbelow(254)) for _ in range(3))])


@dataclass
class Caller:
    """A client with its own address, `source`, that calls the validate endpoint at `port`."""

    port: int
    source: str = ""
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self.source = self.source or fresh_source()
        source: Any = {"source_address": (self.source, 0)} if self.host == "127.0.0.1" else {}
        self._pool = HTTPConnectionPool(self.host, self.port, retries=False, timeout=30, **source)

    def ask(self, *headers: tuple[str, str]) -> BaseHTTPResponse:
        """Validate a UUID with these additional headers."""
        sent = HTTPHeaderDict({"Host": "localhost"})
        for name, value in headers:
            sent.add(name, value)
        return self._pool.request(
            "POST", "/api/v1/sessions/validate/", json={"uuid": UUID}, headers=sent
        )

    def left(self, *headers: tuple[str, str]) -> int:
        """Validate a UUID and return how many requests are left."""
        response = self.ask(*headers)
        assert response.status == 200, (headers, response.status, response.data)
        return remaining(response)


def remaining(response: BaseHTTPResponse) -> int:
    """Return the remaining requests of the RateLimit header."""
    found = re.search(r'"validate-\d+s";r=(\d+)', response.headers["RateLimit"])
    assert found
    return int(found[1])

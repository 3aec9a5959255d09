"""The product's programs on the hosts of a cluster, started with the lines of deploy/systemd."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests import units
from tests.cluster.hosts import Host

ROOT = Path(__file__).resolve().parents[2]
# The public name of the deployment.
NAME = "maria.localhost"
WEB_PORT = 8000
CLOCK_HINT = "apt-get install faketime"


@dataclass
class Program:
    """A command of `manage.py` that runs on a host, perhaps with other code or another clock."""

    host: Host
    arguments: Sequence[str]
    env: Mapping[str, str]
    stop_seconds: int = 90
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self, code: Path = ROOT, **changed: str) -> None:
        """Start it, with changed settings."""
        command = [sys.executable, str(code / "manage.py"), *self.arguments]
        self.process = self.host.start(command, {**self.env, **changed}, code)

    def stop(self) -> None:
        """Send SIGTERM to it alone and wait, as systemd does with KillMode=mixed."""
        if self.process:
            self.process.terminate()
            self.process.wait(self.stop_seconds)

    def restart(self, code: Path = ROOT, **changed: str) -> None:
        """Stop and start it."""
        self.stop()
        self.start(code, **changed)

    def kill(self) -> None:
        """Kill its host's processes at once."""
        self.host.kill()
        if self.process:
            self.process.wait(self.stop_seconds)


def environment(unit: units.Unit, host: Host, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a unit on a host: its variables, and a file with these settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Beside its disk, which may be full.
    file = host.folder.with_suffix(".env")
    listens = {"HOST": host.address, "PORT": str(WEB_PORT)}
    file.write_text(
        "".join(f"{name}='{value}'\n" for name, value in {**settings, **listens}.items())
    )
    places = {units.SETTINGS: str(file), units.DATA: str(host.folder / "data")}
    return {**kept, **unit.environment(places)}


def web(host: Host, settings: Mapping[str, str]) -> Program:
    """Return the web server of a host."""
    return _program("web", host, settings)


def worker(host: Host, settings: Mapping[str, str]) -> Program:
    """Return the worker of a host."""
    return _program("worker", host, settings)


def _program(name: str, host: Host, settings: Mapping[str, str]) -> Program:
    unit = units.read(name)
    return Program(host, unit.arguments, environment(unit, host, settings), unit.stop_seconds)


def migrate(host: Host, settings: Mapping[str, str], *arguments: str, code: Path = ROOT) -> None:
    """Run `maria-migrate`, with more arguments, on a host and wait for it; RuntimeError if it fails."""
    unit = units.read("migrate")
    command = Program(host, [*unit.arguments, *arguments], environment(unit, host, settings))
    command.start(code)
    assert command.process is not None
    if command.process.wait():
        raise RuntimeError(f"{' '.join(command.arguments)}: {host.log.read_text()[-2000:]}")


def health(host: Host, check: str, seconds: float = 5) -> "requests.Response":
    """GET health/live or health/ready of a web host, without the proxy."""
    url = f"http://{host.address}:{WEB_PORT}/health/{check}"
    return requests.get(url, headers={"Host": NAME}, timeout=seconds)


def is_live(host: Host) -> bool:
    """Return whether a web host serves requests, even if it says that it should not."""
    try:
        return health(host, "live").ok
    except requests.RequestException:
        return False


def is_ready(host: Host) -> bool:
    """Return whether a web host says that it can serve."""
    try:
        return health(host, "ready").ok
    except requests.RequestException:
        return False


def clock(minutes: int) -> dict[str, str]:
    """Return the variables that move the clock of a program; RuntimeError without libfaketime.

    The monotonic clock stays, because no clock of a computer jumps for the time that it measures.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise RuntimeError(f"libfaketime is missing: {CLOCK_HINT}")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{minutes:+}m",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }

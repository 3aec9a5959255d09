"""A throw-away PostgreSQL server on a private port, for one test run."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INSTALL_HINT = "apt-get install postgresql"
_USERS = ("postgres", "nobody")


def find_programs() -> Path | None:
    """Return the folder that holds initdb and postgres, or None if PostgreSQL is not installed."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        candidates.insert(0, Path(found).resolve().parent)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def running(*, durable: bool = False) -> Iterator[str]:
    """Run a server with an empty database and yield its URL; RuntimeError if it does not start.

    Only a `durable` one syncs to its disk; tests have no use for that.
    """
    programs = find_programs()
    if programs is None:
        raise RuntimeError(f"PostgreSQL is not installed: {INSTALL_HINT}")
    with tempfile.TemporaryDirectory(prefix="maria-pg-") as name:
        folder = Path(name)
        user = _unprivileged_user(folder)
        data = folder / "data"
        log = (folder / "log").open("w+")
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "maria", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True, stdout=log, stderr=log, cwd=folder, user=user,
        )  # fmt: skip
        port = free_port()
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-p", str(port), "-k", folder,
             "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=200",
             "-c", f"fsync={'on' if durable else 'off'}"],
            stdout=log, stderr=log, cwd=folder, user=user,
        )  # fmt: skip
        try:
            _wait(programs, port, server)
            yield f"postgres://maria@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(30)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged_user(folder: Path) -> str | None:
    """Return whom the server runs as when we are root, which initdb refuses, and hand them `folder`."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        return name
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no other user to run it as")


def _wait(programs: Path, port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        ready = subprocess.run(
            [programs / "pg_isready", "-h", "127.0.0.1", "-p", str(port)],
            stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if ready.returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError("the throw-away PostgreSQL did not start")

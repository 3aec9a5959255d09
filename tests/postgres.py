"""A throw-away PostgreSQL server on a private port: for one test run, or for a test that kills it."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests import scratch
from tests.need import missing
from tests.ports import free_port

INSTALL_HINT = "apt-get install postgresql"
LOOPBACK = "127.0.0.1"
_USERS = ("postgres", "nobody")


def find_programs() -> Path | None:
    """Return the folder of initdb and postgres, or None if PostgreSQL is not installed."""
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if found := shutil.which("initdb"):
        candidates.insert(0, Path(found).resolve().parent)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


def need_postgres() -> Path:
    """Return the folder of the programs; if PostgreSQL is missing, skip the test, and fail it in CI."""
    return find_programs() or missing(f"PostgreSQL is missing: {INSTALL_HINT}")


@dataclass
class PostgresServer:
    """A server that can be killed, paused and started again, with the same data on the same port.

    At an `address` other than that of the loopback interface, its network may connect. `name` is
    how a standby names itself to its primary.
    """

    programs: Path
    folder: Path
    port: int
    user: str | None
    fsync: bool
    address: str = LOOPBACK
    name: str = ""
    autovacuum: bool = True
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The URL of its one, empty, database."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"postgres://maria@{host}:{self.port}/postgres"

    def create(self) -> None:
        """Make the data."""
        self._run(
            "initdb", "-D", self._data, "-U", "maria", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        if self.address != LOOPBACK:
            with (self._data / "pg_hba.conf").open("a") as rules:
                rules.write("host all,replication all samenet trust\n")

    def copy(self, primary: "PostgresServer") -> None:
        """Copy another server's data, and replicate it from then on."""
        self._run(
            "pg_basebackup", "-h", primary.address, "-p", str(primary.port), "-U", "maria",
            "-D", self._data, "-R", "-c", "fast", "--no-sync",
        )  # fmt: skip

    def configure(self, line: str) -> None:
        """Add a line to its configuration. It overrides those before it, also copied ones."""
        with (self._data / "postgresql.auto.conf").open("a") as file:
            file.write(f"{line}\n")

    def erase(self) -> None:
        """Remove its data. It must not run."""
        shutil.rmtree(self._data, ignore_errors=True)

    def start(self) -> None:
        """Start it and wait until it answers; RuntimeError if it does not."""
        log = (self.folder / "log").open("a")
        self._process = subprocess.Popen(
            [self.programs / "postgres", "-D", self._data, "-p", str(self.port), "-k", self.folder,
             "-c", f"listen_addresses={self.address}", "-c", f"cluster_name={self.name}",
             "-c", "max_connections=200",
             "-c", f"fsync={'on' if self.fsync else 'off'}",
             "-c", f"autovacuum={'on' if self.autovacuum else 'off'}"],
            stdout=log, stderr=log, cwd=self.folder, user=self.user,
        )  # fmt: skip
        for _ in range(300):
            if self.answers():
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise RuntimeError("the throw-away PostgreSQL did not start")

    def answers(self) -> bool:
        """Return whether it answers, from this network."""
        return self._run("pg_isready", "-h", self.address, "-p", str(self.port), check=False) == 0

    def kill(self) -> None:
        """Send SIGKILL to all its processes at once, as in a power cut."""
        self.pause()
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait(30)

    def pause(self) -> None:
        """Send SIGSTOP to all its processes: connections stay open, and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT to all its processes."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in any state."""
        if self._process and self._process.poll() is None:
            self.resume()
            self._process.send_signal(signal.SIGQUIT)  # without a last checkpoint
            self._process.wait(30)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _signal(self, number: int) -> None:
        """Send a signal to the server, then to its children: a stopped server cannot replace them."""
        if self._process is None or self._process.poll() is not None:
            return
        parent = self._process.pid
        self._process.send_signal(signal.SIGSTOP)
        listed = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, check=False
        )
        for pid in [*map(int, listed.stdout.split()), parent]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> int:
        file = self.folder / "log"
        with file.open("a") as log:
            code = subprocess.run(
                [self.programs / program, *arguments],
                check=False, stdout=log, stderr=log, cwd=self.folder, user=self.user,
            ).returncode  # fmt: skip
        if check and code:
            raise RuntimeError(f"{program} ended with code {code}: {file.read_text()[-1000:]}")
        return code


@contextmanager
def serving(
    *,
    fsync: bool = False,
    on_disk: bool = False,
    address: str = LOOPBACK,
    autovacuum: bool = True,
) -> Iterator[PostgresServer]:
    """Run a server with an empty database, in memory if there is room and it need not be `on_disk`.

    Raises RuntimeError if it does not start.
    """
    programs = find_programs()
    if programs is None:
        raise RuntimeError(f"PostgreSQL is not installed: {INSTALL_HINT}")
    parent = None if on_disk else scratch.fast_folder()
    with tempfile.TemporaryDirectory(prefix="maria-pg-", dir=parent) as name:
        folder = Path(name)
        user = unprivileged_user(folder)
        server = PostgresServer(programs, folder, free_port(), user, fsync, address)
        server.autovacuum = autovacuum
        server.create()
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def running() -> Iterator[str]:
    """Run a server with an empty database and yield its URL.

    Only a long run needs autovacuum. In a short one it would change the planner's statistics
    between two tests.
    """
    with serving(autovacuum="SOAK" in os.environ) as server:
        yield server.url


def unprivileged_user(folder: Path) -> str | None:
    """Return the user of the server if we are root, which initdb refuses; make it the owner of `folder`."""
    if os.geteuid() != 0:
        return None
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        return name
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no other user for it")


@contextmanager
def standby_of(primary: PostgresServer) -> Iterator[PostgresServer]:
    """Run a hot standby of `primary`."""
    with tempfile.TemporaryDirectory(prefix="maria-pg-", dir=scratch.fast_folder()) as name:
        folder = Path(name)
        user = unprivileged_user(folder)
        server = PostgresServer(primary.programs, folder, free_port(), user, fsync=False)
        server.copy(primary)
        try:
            server.start()
            yield server
        finally:
            server.stop()

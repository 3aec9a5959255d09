"""Real servers on private ports, each with its own data, and raw HTTP requests to them."""

import fcntl
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.helpers import pdf
from tests.ports import free_port
from tests.uploads_app.samples import FORM, PLENTY, UPLOADS, form, part

ROOT = Path(__file__).resolve().parent.parent.parent
WAITRESS = ["-m", "maria_project.web", "127.0.0.1"]


@dataclass(frozen=True)
class HttpAnswer:
    """An answer of a server; status 0 if it closed the connection without one."""

    status: int
    head: str
    body: bytes


@dataclass(frozen=True)
class Deployment:
    """A data folder with a migrated SQLite database, as `./run` would have it.

    `storage_url` is its STORAGE_URL; without one the files are in the folder.
    """

    data: Path
    storage_url: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables of this deployment's processes."""
        shared = ("DATABASE_URL", "CACHE_URL", "STORAGE_URL")
        inherited = {name: value for name, value in os.environ.items() if name not in shared}
        limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
        return {
            **inherited,
            **limits,
            "DATA_DIR": str(self.data),
            "STORAGE_URL": self.storage_url,
            "TMPDIR": str(self.spool),
            "LOG_FILE": str(self.data / "log"),
            "DJANGO_SETTINGS_MODULE": "maria_project.settings",
        }

    @property
    def spool(self) -> Path:
        """The folder in which Django spools request bodies."""
        return self.data / "spool"

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """Query the database directly."""
        with closing(sqlite3.connect(self.data / "db.sqlite3", timeout=20)) as database:
            return database.execute(statement).fetchall()

    def statuses(self) -> list[str]:
        """Return the status of every upload, in order of creation."""
        return [
            str(s)
            for (s,) in self.rows("SELECT status FROM uploads_app_uploadedfile ORDER BY created_at")
        ]

    def events(self) -> list[str]:
        """Return the types of all audit events, oldest first."""
        return [
            str(e) for (e,) in self.rows("SELECT event_type FROM audit_app_auditlog ORDER BY id")
        ]

    def quotas(self) -> list[tuple[object, ...]]:
        """Return files and bytes of each session's quota."""
        return self.rows("SELECT files, bytes FROM uploads_app_uploadquota")

    def files(self) -> list[str]:
        """Return every file in the store, also temporary ones, without the marker."""
        root = self.data / "storage"
        found = (p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        return sorted(name for name in found if name != "marker.json")

    def spooled(self) -> list[str]:
        """Return the spooled bodies."""
        return sorted(p.name for p in self.spool.rglob("*.upload*"))


@cache
def _migrated() -> Path:
    """Return a data folder to copy; the first process of the run creates it for all."""
    data = Path(os.environ["MARIA_TEST_DATA"]) / "migrated"
    done = data.with_suffix(".done")
    with data.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # closing the file releases the lock
        if not done.exists():
            shutil.rmtree(data, ignore_errors=True)  # left by a killed process
            (data / "spool").mkdir(parents=True)
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "-v0"],
                cwd=ROOT, env=Deployment(data).environment, check=True,
            )  # fmt: skip
            done.touch()
    return data


def deployment(folder: Path, storage_url: str = "") -> Deployment:
    """Create a deployment in `folder`, which must not exist yet."""
    shutil.copytree(_migrated(), folder)
    return Deployment(folder, storage_url)


@dataclass
class UploadServer:
    deployment: Deployment
    port: int
    cookie: str = ""
    uuid: str = ""
    pid: int = 0
    # The address that requests come from.
    source: str = "127.0.0.1"

    def start_session(self) -> None:
        """Create a session for the uploads."""
        answer = self.send(
            request("POST", "/api/v1/sessions/", b"{}", {"Content-Type": "application/json"})
        )
        assert answer.status == 201, answer
        self.cookie = answer.head.partition("Set-Cookie: ")[2].partition(";")[0]
        self.uuid = answer.body.partition(b'"uuid":"')[2][:36].decode()

    @property
    def proof(self) -> dict[str, str]:
        """The headers that prove the session and declare the boundary of a form."""
        return {"Cookie": self.cookie, "X-Session-UUID": self.uuid, "Content-Type": FORM}

    def upload(self, content: bytes | None = None) -> HttpAnswer:
        body = form(part(pdf() if content is None else content))
        return self.send(request("POST", UPLOADS, body, self.proof))

    def connect(self) -> socket.socket:
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=30, source_address=(self.source, 0)
        )

    def send(self, data: bytes, cut: int | None = None) -> HttpAnswer:
        """Send a request, or only its first `cut` bytes, and read the answer."""
        with self.connect() as connection:
            # A server that refuses early closes the connection before the end of the body.
            with suppress(ConnectionError):
                connection.sendall(data if cut is None else data[:cut])
                if cut is not None:
                    connection.shutdown(socket.SHUT_WR)
            return _read(connection)


def request(
    method: str, path: str, body: bytes, headers: dict[str, str], length: int | str | None = -1
) -> bytes:
    """Return an HTTP/1.1 request; `length` replaces its Content-Length, None omits it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if length is not None:
        lines.append(f"Content-Length: {len(body) if length == -1 else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@contextmanager
def serving(deployment: Deployment, command: list[str], **env: str) -> Iterator[UploadServer]:
    """Run a web server for a deployment and create a session. The command ends with the port."""
    port = free_port()
    with (deployment.data / "output").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            cwd=ROOT, env={**deployment.environment, **env}, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            server = UploadServer(deployment, port, pid=process.pid)
            _wait(server, process)
            server.start_session()
            yield server
        finally:
            process.terminate()
            process.wait(30)


def _wait(server: UploadServer, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        with suppress(ConnectionError, TimeoutError):
            if server.send(request("GET", "/health/live", b"", {})).status == 200:
                return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError((server.deployment.data / "output").read_text())


def _read(connection: socket.socket) -> HttpAnswer:
    received = bytearray()
    with suppress(ConnectionError):
        while more := connection.recv(65536):
            received += more
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1]) if head else 0
    return HttpAnswer(status, head.decode("latin-1"), body)

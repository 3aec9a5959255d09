"""`python -m benchmarks.bare PLAN HOST PORT`: the baseline program, with WSGI and a driver only.

For each request it replays the recorded statements of the product (see `record`),
in the same transactions and with values of the same size, and answers the same
number of bytes. It checks and computes nothing else, so no program that keeps
the same records can be faster.
"""

import hashlib
import json
import os
import secrets
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID, uuid4

import waitress

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Execute = Callable[[str, Any], list[Any]]
CHUNK = 64 * 1024


class Database(Protocol):
    """A driver, and how it represents values."""

    def connected(self) -> AbstractContextManager[Execute]:
        """Yield a function that runs a statement on a connection and returns its rows."""

    def uuid(self, value: UUID) -> object:
        """Return a UUID as Django stores it."""

    def now(self) -> object:
        """Return the time as Django stores it."""

    def interval(self, seconds: float) -> object:
        """Return a duration as Django stores it."""

    def placeholders(self, sql: str) -> str:
        """Return Django's SQL with the placeholders of the driver."""


class Sqlite:
    """sqlite3 with one connection for each thread and the product's options."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._local = threading.local()

    @contextmanager
    def connected(self) -> Iterator[Execute]:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._connect()
        connection: sqlite3.Connection = self._local.connection
        yield lambda sql, params: connection.execute(sql, params or ()).fetchall()

    def _connect(self) -> sqlite3.Connection:
        functions: Any = import_module("django.db.backends.sqlite3._functions")
        connection = sqlite3.connect(self._path, timeout=20, isolation_level=None)
        functions.register(connection)  # the product's statements use them
        connection.executescript(
            "PRAGMA foreign_keys=ON; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
            "PRAGMA secure_delete=ON;"
        )
        return connection

    def uuid(self, value: UUID) -> str:
        return value.hex

    def now(self) -> str:
        return str(datetime.now(UTC).replace(tzinfo=None))

    def interval(self, seconds: float) -> int:
        return int(seconds * 1_000_000)

    def placeholders(self, sql: str) -> str:
        return sql.replace("%s", "?").replace("%%", "%")


class Postgres:
    """psycopg with its pool; binds values in the client, as Django does."""

    def __init__(self, url: str) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool

        options = {"autocommit": True, "cursor_factory": psycopg.ClientCursor}
        self.pool = ConnectionPool(url, kwargs=options, min_size=4, open=True)

    @contextmanager
    def connected(self) -> Iterator[Execute]:
        with self.pool.connection() as connection:

            def execute(sql: str, params: Any) -> list[Any]:
                cursor = connection.execute(sql, params)
                return cursor.fetchall() if cursor.description else []

            yield execute

    def uuid(self, value: UUID) -> UUID:
        return value

    def now(self) -> datetime:
        return datetime.now(UTC)

    def interval(self, seconds: float) -> timedelta:
        return timedelta(seconds=seconds)

    def placeholders(self, sql: str) -> str:
        return sql


class Values(dict[str, Any]):
    """The values of one request by name; missing ones are generated."""

    def __init__(self, database: Database, environ: "WSGIEnvironment") -> None:
        super().__init__()
        self._database = database
        self.case, _, self.folder = environ["HTTP_X_CASE"].rpartition(" ")
        self["session"] = database.uuid(UUID(self.folder))
        if cookie := environ.get("HTTP_COOKIE"):
            token = cookie.partition("=")[2]
            self["token_hash"] = hashlib.sha256(token.encode()).hexdigest()
        path = environ["PATH_INFO"].split("/")
        if path[-2] == "download":
            self["upload"] = database.uuid(UUID(path[-3]))

    def __missing__(self, name: str) -> Any:
        kind, _, rest = name.partition(":")
        if kind == "now":
            return self._database.now()
        if kind == "uuid":
            value = self._database.uuid(uuid4())
        else:
            length = int(rest.partition(":")[0])
            value = secrets.token_hex(length)[:length]
        self[name] = value
        return value


class BareCase:
    """One case of the plan, ready to be replayed."""

    def __init__(self, database: Database, planned: dict[str, Any], store: Path) -> None:
        self._database, self._store = database, store
        self.effect: str = planned["effect"]
        self.status: str = planned["status"]
        self.headers = [(str(name), str(value)) for name, value in planned["headers"]]
        self.body: bytes = planned["body"].encode()
        self._statements = [
            (database.placeholders(sql), params and [self._constant(*param) for param in params])
            for sql, params in planned["statements"]
        ]

    def replay(self, values: Values, content: bytes) -> int:
        """Run every statement, store `content` after the first transaction; return the number run."""
        stored, ran = self.effect != "store", 0
        with self._database.connected() as execute:
            for sql, params in self._statements:
                rows = execute(sql, self._bind(params, values))
                ran += 1
                if rows and sql.startswith("INSERT"):
                    values["id"] = rows[0][0]
                if not stored and sql == "COMMIT":
                    self._write(values, content)
                    stored = True
        return ran

    def _constant(self, name: str, value: Any) -> tuple[str, Any]:
        return ("", self._database.interval(value)) if name == "interval" else (name, value)

    def _bind(self, params: list[tuple[str, Any]] | None, values: Values) -> list[Any] | None:
        return params and [values[name] if name else constant for name, constant in params]

    def _write(self, values: Values, content: bytes) -> None:
        """Parse the form and store the file with the steps and fsyncs of the product's disk store."""
        begin = content.index(b"\r\n\r\n") + 4
        end = content.rindex(b"\r\n--", 0, -4)
        folder = self._store / values.folder
        final = folder / f"{uuid4()}.pdf"
        temporary = final.with_suffix(".part")
        folder.mkdir(parents=True, exist_ok=True)
        digest, view = hashlib.sha256(), memoryview(content)[begin:end]
        with temporary.open("xb") as file:
            for start in range(0, len(view), CHUNK):
                file.write(view[start : start + CHUNK])
                digest.update(view[start : start + CHUNK])
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, final)
        temporary.unlink()
        for path in (folder, folder.parent):
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)


class Application:
    """The WSGI application. The header X-Case has the case and the session."""

    def __init__(self, plan: dict[str, Any], database: Database, store: Path) -> None:
        self._database, self._store = database, store
        self._cases = {
            name: BareCase(database, planned, store) for name, planned in plan["cases"].items()
        }

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        values = Values(self._database, environ)
        case = self._cases[values.case]
        content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        count = case.replay(values, content)
        start_response(case.status, [*case.headers, ("X-Statements", str(count))])
        if case.effect == "send":
            path = self._store / values.folder / environ["PATH_INFO"].split("/")[-3]
            wrapper: Any = environ["wsgi.file_wrapper"]
            sent: Iterable[bytes] = wrapper(path.with_suffix(".pdf").open("rb"), CHUNK)
            return sent
        return [case.body]


def database(url: str, data: Path) -> Database:
    """Return the driver for DATABASE_URL, by default SQLite in the data folder."""
    return Postgres(url) if url else Sqlite(str(data / "db.sqlite3"))


def main(plan_file: Path, host: str, port: int) -> None:
    """Serve the plan until the process is ended."""
    plan = json.loads(plan_file.read_text())
    data = Path(os.environ["DATA_DIR"])
    driver = database(os.environ.get("DATABASE_URL", ""), data)
    application = Application(plan, driver, data / "storage" / "uploads")
    waitress.serve(application, host=host, port=port, **plan["server"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))

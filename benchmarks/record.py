"""`python -m benchmarks.record FOLDER CONNECTIONS`: records the statements of each case for `bare`.

Migrates an empty database and creates a session for each connection of the load.
Then it answers each case for two more sessions in this process and records the
queries. A parameter that differs between the two sessions is recorded as the name
of a value that `bare` generates; other parameters are recorded as constants.
"""

import hashlib
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from psycopg.types.json import Jsonb  # noqa: E402

from benchmarks.cases import FILE_BYTES, BenchmarkCase, Client, cases  # noqa: E402
from maria_project import web  # noqa: E402
from tests.helpers import Visitor, pdf  # noqa: E402
from tests.uploads_app.samples import FORM, form, part  # noqa: E402

Statement = tuple[str, tuple[Any, ...] | None]
# The files of each visitor; the first one is downloaded.
FILES = (FILE_BYTES, 0, 0)
_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK")


def main(folder: Path, connections: int) -> None:
    call_command("migrate", verbosity=0)
    write_plan(folder, connections)


def write_plan(folder: Path, connections: int) -> None:
    """Write `plan.json` and the body of the upload to `folder`."""
    body = form(part(pdf(size=FILE_BYTES)))
    (folder / "body").write_bytes(body)
    clients = [_client() for _ in range(2 + connections)]
    plan = {
        "server": {**web.options(), "threads": web.THREADS, "connection_limit": web.CONNECTIONS},
        "form_type": FORM,
        "clients": [asdict(client) for client in clients[2:]],
        "cases": {case.name: _describe(case, clients) for case in cases(body, FORM)},
    }
    (folder / "plan.json").write_text(json.dumps(plan))


def _client() -> Client:
    visitor = Visitor(SERVER_NAME="localhost")
    assert visitor.start().status_code == 201
    uploads = [visitor.upload(pdf(size=size)) for size in FILES]
    assert {answer.status_code for answer in uploads} == {201}
    return Client(visitor.uuid, visitor.token, uploads[0].json()["id"])


def _describe(case: BenchmarkCase, clients: list[Client]) -> dict[str, Any]:
    one, two = clients[:2]
    for client in (one, two):  # warm up
        _answer(case, client)
    with _listening() as first:
        answer = _answer(case, one)
    with _listening() as second:
        _answer(case, two)
    streamed = answer.streaming
    return {
        "effect": case.effect,
        "status": f"{answer.status_code} {answer.reason_phrase}",
        "headers": [
            *answer.items(),
            *(("Set-Cookie", m.OutputString()) for m in answer.cookies.values()),
        ],
        "body": "" if streamed else answer.content.decode(),
        "statements": _compare(first, second, _known(one)),
    }


def _answer(case: BenchmarkCase, client: Client) -> Any:
    visitor = Visitor(SERVER_NAME="localhost")
    headers = {"User-Agent": "benchmark"}
    if case.proven:
        visitor.cookies["maria_session"] = client.token
        headers["X-Session-UUID"] = client.uuid
    answer: Any = visitor.generic(
        case.method,
        case.path.format(upload=client.upload),
        case.body,
        case.content_type or "application/octet-stream",
        headers=headers,
    )
    assert answer.status_code < 300, answer.content
    if answer.streaming:
        list(answer.streaming_content)
    return answer


@contextmanager
def _listening() -> Iterator[list[Statement]]:
    """Yield the list of statements sent in the block, including BEGIN and COMMIT."""
    heard: list[Statement] = []

    def run(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(_CONTROL):  # recorded from Django's log, on both databases
            heard.append((sql, tuple(map(_plain, params)) if params else None))
        return execute(sql, params, many, context)

    handler = _ControlHandler(heard)
    logger = logging.getLogger("django.db.backends")
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    connection.force_debug_cursor = True
    with connection.execute_wrapper(run):
        yield heard
    connection.force_debug_cursor = False
    logger.removeHandler(handler)
    logger.setLevel(level)
    logger.propagate = propagate


def _plain(value: Any) -> Any:
    """Return a parameter as SQLite gets it: psycopg's JSON wrappers cannot be compared or saved."""
    return json.dumps(value.obj) if isinstance(value, Jsonb) else value


class _ControlHandler(logging.Handler):
    """Records BEGIN, COMMIT and ROLLBACK, which do not pass through wrappers."""

    def __init__(self, heard: list[Statement]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        sql = str(getattr(record, "sql", ""))
        if sql.startswith(_CONTROL):
            self._heard.append((sql, None))


def _known(client: Client) -> dict[str, str]:
    """Return the names of the values that are part of the request."""
    return {
        UUID(client.uuid).hex: "session",
        UUID(client.upload).hex: "upload",
        hashlib.sha256(client.token.encode()).hexdigest(): "token_hash",
    }


def _compare(
    first: list[Statement], second: list[Statement], names: dict[str, str]
) -> list[tuple[str, list[tuple[str, Any]] | None]]:
    statements = []
    for (sql, params), (other, others) in zip(first, second, strict=True):
        if _shape(sql) != _shape(other):
            raise RuntimeError(f"not the same every time: {sql}")
        named = params and [_name(a, b, names) for a, b in zip(params, others or (), strict=True)]
        statements.append((sql, named or None))
    return statements


def _shape(sql: str) -> str:
    return sql.partition('"')[0] if "SAVEPOINT" in sql else sql


def _name(a: Any, b: Any, names: dict[str, str]) -> tuple[str, Any]:
    """Return the name of a value that differs, or an empty name and the constant."""
    if a == b:
        return ("interval", a.total_seconds()) if isinstance(a, timedelta) else ("", a)
    if isinstance(a, int):
        return "id", None
    if _is_time(a):
        return "now", None
    key = a.hex if isinstance(a, UUID) else a
    fresh = "uuid" if isinstance(a, UUID) else f"text:{len(a)}"
    return names.setdefault(key, f"{fresh}:{len(names)}"), None


def _is_time(value: Any) -> bool:
    if isinstance(value, str):
        try:
            datetime.fromisoformat(value)
        except ValueError:
            return False
        return len(value) < 32  # 32 digits are a UUID, not a time
    return isinstance(value, datetime)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

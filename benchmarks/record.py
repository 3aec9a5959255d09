"""`python -m benchmarks.record FOLDER`: records the statements of each case for `bare`.

Migrates an empty database, answers each case for two sessions in this process and records
the queries. A parameter that differs between the two sessions is recorded as the name
of a value that `bare` generates; other parameters are recorded as constants.
"""

import hashlib
import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from psycopg.types.json import Jsonb  # noqa: E402

from benchmarks.cases import API, CASES, FILE_BYTES, BenchmarkCase, Client, Form  # noqa: E402
from maria_project import web  # noqa: E402
from tests.helpers import Visitor, pdf  # noqa: E402
from tests.uploads_app.samples import FORM, form, part  # noqa: E402

Statement = tuple[str, tuple[Any, ...] | None]
_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK")


def main(folder: Path) -> None:
    call_command("migrate", verbosity=0)
    write_plan(folder)


def write_plan(folder: Path) -> None:
    """Write `plan.json`, and the body of the upload, to `folder`."""
    upload = Form(form(part(pdf(size=FILE_BYTES))), FORM)
    (folder / "body").write_bytes(upload.body)
    key = _service_key()
    clients = [_client(key), _client(key)]
    plan = {
        "server": {**web.options(), "threads": web.THREADS, "connection_limit": web.CONNECTIONS},
        "form_type": FORM,
        "service_key": key,
        "cases": {case.name: _describe(case, upload, clients) for case in CASES},
    }
    (folder / "plan.json").write_text(json.dumps(plan))


def _service_key() -> str:
    secret = io.StringIO()
    create = ("create_service_key", "benchmark", "--scope", "sessions")
    call_command(*create, stdout=secret, stderr=io.StringIO())
    return secret.getvalue().strip()


def _client(key: str) -> Client:
    visitor = Visitor(SERVER_NAME="localhost")
    assert visitor.start().status_code == 201
    upload = visitor.upload(pdf(size=FILE_BYTES)).json()["id"]
    issued = visitor.post(f"{API}/sessions/current/assertion/", **visitor.named)
    cookie = f"maria_session={visitor.token}"
    return Client(visitor.uuid, cookie, upload, key, issued.json()["assertion"])


def _describe(case: BenchmarkCase, upload: Form, clients: list[Client]) -> dict[str, Any]:
    one, two = clients
    for client in clients:  # warm up
        _answer(case, upload, client)
    with _listening() as first:
        answer = _answer(case, upload, one)
    with _listening() as second:
        _answer(case, upload, two)
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


def _answer(case: BenchmarkCase, upload: Form, client: Client) -> Any:
    body, content_type = client.body(case, upload)
    answer: Any = Visitor(SERVER_NAME="localhost").generic(
        case.method,
        client.path(case),
        body,
        content_type or "application/octet-stream",
        headers=client.headers(case),
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
        hashlib.sha256(client.cookie.partition("=")[2].encode()).hexdigest(): "token_hash",
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
    main(Path(sys.argv[1]))

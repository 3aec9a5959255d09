"""Runs a benchmark in this process: threads serve the programs, and steps are function calls.

The programs start a dozen processes each. Here the same code runs on the database of the test.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import waitress
from django.db import connection

from benchmarks import bare, load, record
from benchmarks.deployment import PRODUCT, BenchmarkServer
from maria_project.wsgi import application
from tests.maria_project.server import test_database


@contextmanager
def serving_in_a_thread(
    command: Sequence[str], env: Mapping[str, str]
) -> Iterator[BenchmarkServer]:
    """Replace `deployment.serving`: serve the product or the baseline program on a free port."""
    with _program(command) as program:
        server = waitress.create_server(program, host="127.0.0.1", port=0, threads=2)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            this_process: Any = SimpleNamespace(pid=os.getpid())
            yield BenchmarkServer(server.effective_port, this_process)
        finally:
            server.trigger.pull_trigger(lambda: _close_all(server._map))
            thread.join()
            server.task_dispatcher.shutdown()


def _close_all(sockets: dict[int, Any]) -> None:
    """Close every socket of a server in its own thread, which ends its loop."""
    for one in list(sockets.values()):
        one.close()


@contextmanager
def _program(command: Sequence[str]) -> Iterator[Callable[..., Any]]:
    """Yield the WSGI application that a command of a benchmark serves."""
    if command == PRODUCT:
        yield application
        return
    plan_file = Path(command[2])
    driver: Any = bare.Sqlite(str(connection.settings_dict["NAME"]))
    if connection.vendor == "postgresql":
        driver = bare.Postgres(test_database()["DATABASE_URL"])
    yield bare.Application(
        json.loads(plan_file.read_text()), driver, plan_file.parent / "storage" / "uploads"
    )
    if connection.vendor == "postgresql":
        driver.pool.close()


def run_here(module: str, *arguments: str, stdin: str = "") -> str:
    """Replace the processes of `comparison`: record, and send the load, in this process."""
    if module == "benchmarks.record":
        folder, connections = arguments
        record.write_plan(Path(folder), int(connections))
        return ""
    return json.dumps(vars(load.run(load.Job(**json.loads(stdin)))))

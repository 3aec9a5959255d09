"""Runs benchmarks in this process: threads serve the programs on the database of the test.

The programs start a dozen processes each.
"""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import waitress
from django.db import connection

from benchmarks import bare
from benchmarks.deployment import BenchmarkServer
from maria_project.wsgi import application
from tests.maria_project.server import test_database


@contextmanager
def serving_in_a_thread(program: Callable[..., Any] = application) -> Iterator[BenchmarkServer]:
    """Serve a WSGI application, by default the product, on a free port."""
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
def serving_bare(plan: Path) -> Iterator[BenchmarkServer]:
    """Serve the bare program on the test's database and store."""
    driver: Any = bare.Sqlite(str(connection.settings_dict["NAME"]))
    if connection.vendor == "postgresql":
        driver = bare.Postgres(test_database()["DATABASE_URL"])
    store = plan.parent / "storage" / "uploads"
    with serving_in_a_thread(bare.Application(json.loads(plan.read_text()), driver, store)) as one:
        yield one
    if connection.vendor == "postgresql":
        driver.pool.close()

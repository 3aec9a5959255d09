"""Web processes and workers report themselves while they run, and import only what they need."""

import sys
from collections import Counter
from pathlib import Path

import pytest
import requests
from django.db import connection

from backoffice_app.models import ProcessReport
from tests.maria_project.server import MANAGE, environment, process, test_database, wait_for
from tests.ports import free_port

pytestmark = pytest.mark.slow

# Each takes 0.5 to 16 MiB in every process that imports it.
NEEDED_BY_NEITHER = {
    "boto3",
    "cryptography",
    "django.contrib.postgres.fields",
    "django.db.migrations.loader",
    "drf_spectacular.openapi",
    "segno",
    "unittest",
}
OTHER_DATABASE = {"postgresql": {"sqlite3"}, "sqlite": {"psycopg", "redis"}}
# A worker has no pages.
NEEDED_BY_WEB = {"maria_project.urls", "rest_framework.routers"}


@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_processes_report_themselves_until_they_end(tmp_path: Path) -> None:
    env = environment(
        tmp_path, **test_database(), WORKER_PROCESSES="1", PYTHONPROFILEIMPORTTIME="1"
    )
    port = free_port()
    web = [sys.executable, "-m", "maria_project.web", "127.0.0.1", str(port)]
    with (
        process(web, env, tmp_path / "web.log") as first,
        process([*MANAGE, "qcluster"], env, tmp_path / "worker.log") as second,
    ):
        wait_for(lambda: kinds() == {"web": 1, "worker": 1})
        wait_for(lambda: all_parts_are_checked(port))
        for running in (first, second):
            running.terminate()
        codes = [running.wait(60) for running in (first, second)]

    assert (codes, kinds()) == ([0, 0], {})
    unneeded = NEEDED_BY_NEITHER | OTHER_DATABASE[connection.vendor]
    web_modules, worker_modules = imported(tmp_path / "web.log"), imported(tmp_path / "worker.log")
    assert unneeded & web_modules == set()
    assert (unneeded | NEEDED_BY_WEB) & worker_modules == set()


def all_parts_are_checked(port: int) -> bool:
    answer = requests.get(f"http://127.0.0.1:{port}/health/ready", timeout=10)
    return "not checked yet" not in answer.text


def imported(log: Path) -> set[str]:
    """Return the modules that a process with PYTHONPROFILEIMPORTTIME imported."""
    lines = [line for line in log.read_text().splitlines() if line.startswith("import time:")]
    assert len(lines) > 1000
    return {line.rpartition("|")[2].strip() for line in lines}


def kinds() -> dict[str, int]:
    return dict(Counter(ProcessReport.objects.values_list("kind", flat=True)))

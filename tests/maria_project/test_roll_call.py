"""Web processes and workers report themselves while they run."""

import sys
from collections import Counter
from pathlib import Path

import pytest

from backoffice_app.models import ProcessReport
from tests.maria_project.server import MANAGE, environment, process, test_database, wait_for
from tests.ports import free_port

pytestmark = pytest.mark.slow


@pytest.mark.usefixtures("committed")
def test_processes_report_themselves_until_they_end(tmp_path: Path) -> None:
    env = environment(tmp_path, **test_database(), WORKER_PROCESSES="1")
    web = [sys.executable, "-m", "maria_project.web", "127.0.0.1", str(free_port())]
    with (
        process(web, env, tmp_path / "web.log") as first,
        process([*MANAGE, "qcluster"], env, tmp_path / "worker.log") as second,
    ):
        wait_for(lambda: kinds() == {"web": 1, "worker": 1})
        for running in (first, second):
            running.terminate()
        codes = [running.wait(60) for running in (first, second)]

    assert (codes, kinds()) == ([0, 0], {})


def kinds() -> dict[str, int]:
    return dict(Counter(ProcessReport.objects.values_list("kind", flat=True)))

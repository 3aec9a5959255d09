"""Before a stop, a host says that it is not ready, and answers everything else."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.maria_project.server import MANAGE, ROOT, children_of, process, wait_for
from tests.ports import free_port
from tests.uploads_app.server import Deployment, UploadServer, deployment, request

pytestmark = pytest.mark.slow

# The test never waits for its end.
DRAIN = "10m"


def test_a_host_drains_before_it_stops_but_not_when_it_is_replaced(tmp_path: Path) -> None:
    port = free_port()
    own = deployment(tmp_path / "data").environment
    env = {name: value for name, value in own.items() if name != "LOG_FILE"}
    command = [*MANAGE, "serve", "--web-only", "--port", str(port)]
    with process(
        command, {**env, "PYTHONPATH": str(ROOT), "DRAIN_TIME": DRAIN}, tmp_path / "output"
    ) as supervisor:
        server = UploadServer(Deployment(tmp_path / "data"), port)
        wait_for(lambda: status(server, "live") == 200)
        (first,) = children_of(supervisor.pid, "maria_project.web")

        supervisor.send_signal(signal.SIGHUP)
        wait_for(lambda: not Path(f"/proc/{first}").exists(), what="the end of the old process")
        wait_for(lambda: status(server, "ready") == 200)
        (second,) = children_of(supervisor.pid, "maria_project.web")

        supervisor.terminate()
        wait_for(lambda: status(server, "ready") == 503)
        document = json.loads(server.send(request("GET", "/health/ready", b"", {})).body)
        assert document["parts"] == {"process": "failed"}
        assert status(server, "live") == 200
        server.start_session()

        os.kill(second, signal.SIGINT)
        assert supervisor.wait(60) == 0


def status(server: UploadServer, check: str) -> int:
    """Return the status of a health check, 0 without a connection."""
    try:
        return int(server.send(request("GET", f"/health/{check}", b"", {})).status)
    except OSError:
        return 0

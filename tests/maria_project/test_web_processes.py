"""Two web processes behind one port: limits, quota and metrics of all, and processes that change."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from maria_project.checks import check_web_processes
from maria_project.listening import open_sockets
from maria_project.server.bodies import BodyBytes, own_part
from maria_project.web_processes import WebProcess
from tests import redis_server
from tests.helpers import pdf
from tests.maria_project.server import (
    MANAGE,
    ROOT,
    children_of,
    environment,
    process,
    test_database,
    wait_for,
)
from tests.ports import free_port
from tests.security.edge import UUID
from tests.uploads_app.samples import PLENTY, UPLOADS
from tests.uploads_app.server import Deployment, UploadServer, deployment, request
from uploads_app.models import UploadedFile, UploadQuota, UploadStatus
from uploads_app.storage.spool import SHARES

CLIENTS = 8
LARGE_FILE = 5_000_000
JSON = {"Content-Type": "application/json"}
VALIDATE = request("POST", "/api/v1/sessions/validate/", json.dumps({"uuid": UUID}).encode(), JSON)
LIVE = request("GET", "/health/live", b"", {})


@dataclass
class TwoProcesses:
    """`manage.py serve --web-only` with two web processes."""

    supervisor: "subprocess.Popen[bytes]"
    server: UploadServer
    output: Path

    def pids(self) -> list[int]:
        return children_of(self.supervisor.pid, "maria_project.web")

    def validate(self, _: Any = None) -> int:
        """Send a request on a new connection and return its status."""
        return self.server.send(VALIDATE).status

    def counted(self, route: str) -> float:
        """Return how many requests of a route /metrics reports."""
        text = self.server.send(request("GET", "/metrics", b"", {})).body.decode()
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == "maria_requests_total" and sample.labels["route"] == route
        )

    def files_of_metrics(self) -> set[str]:
        folder = self.server.deployment.data / "metrics"
        return {file.stem for file in folder.glob("counter_*.db")}

    def said(self, text: str) -> int:
        return self.output.read_text().count(text)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@contextmanager
def two_processes(folder: Path, env: dict[str, str]) -> Iterator[TwoProcesses]:
    port = free_port()
    command = [*MANAGE, "serve", "--web-only", "--port", str(port)]
    own = {"WEB_PROCESSES": "2", "DATA_DIR": str(folder)}
    with process(command, {**env, **own}, folder / "output") as supervisor:
        server = UploadServer(Deployment(folder), port)
        running = TwoProcesses(supervisor, server, folder / "output")
        wait_for(lambda: running.supervisor.poll() is not None or len(running.pids()) == 2)
        wait_for(lambda: server.send(LIVE).status == 200, what=f"a server, see {running.output}")
        yield running


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    redis_server.need_redis()
    with redis_server.serving() as server:
        yield server.url


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, redis_url: str) -> Iterator[TwoProcesses]:
    own = deployment(tmp_path_factory.mktemp("processes") / "data")
    env = {name: value for name, value in own.environment.items() if name != "LOG_FILE"}
    with two_processes(own.data, {**env, "CACHE_URL": f"{redis_url}/1"}) as running:
        yield running


@pytest.mark.slow
@pytest.mark.both
@pytest.mark.usefixtures("committed")
def test_limits_quota_and_metrics_are_those_of_both_processes(
    tmp_path: Path, redis_url: str
) -> None:
    limits = {f"RATE_LIMIT_{name.upper()}": rates[0] for name, rates in PLENTY.items()}
    limits |= {"RATE_LIMIT_VALIDATE": "60/d", "CACHE_URL": f"{redis_url}/0"}
    env = environment(tmp_path, **test_database(), **limits)
    with two_processes(tmp_path, env) as product, ThreadPoolExecutor(20) as clients:
        statuses: Counter[int] = Counter()
        for pid in product.pids():
            with stopped(pid):  # so that each process answers half of them
                statuses.update(clients.map(product.validate, range(35)))
        product.server.start_session()
        uploads = Counter(
            answer.status for answer in clients.map(lambda _: product.server.upload(), range(20))
        )
        counted = {product.counted("session-validate") for _ in range(4)}

        assert product.files_of_metrics() == {"counter_1a", "counter_2a"}
        assert statuses == {200: 60, 429: 10}
        assert uploads[201] == 3
        assert uploads[409] == 17
        assert UploadedFile.objects.filter(status=UploadStatus.STORED).count() == 3
        assert UploadQuota.objects.get().files == 3
        assert counted == {70}


@pytest.mark.slow
def test_a_killed_process_fails_its_own_requests_and_is_replaced(product: TwoProcesses) -> None:
    before, old = product.counted("session-validate"), product.pids()

    def validate(number: int) -> int:
        if number == 100:
            os.kill(old[0], signal.SIGKILL)
        return product.validate()

    with ThreadPoolExecutor(CLIENTS) as clients:
        statuses = Counter(clients.map(validate, range(200)))

    assert statuses[0] <= CLIENTS
    assert statuses[200] == 200 - statuses[0]
    wait_for(lambda: len(set(product.pids()) - {old[0]}) == 2, what="another process")
    assert old[1] in product.pids()
    assert product.counted("session-validate") >= before + statuses[200]


@pytest.mark.slow
def test_a_rolling_restart_fails_no_request_and_no_download(product: TwoProcesses) -> None:
    old, before = set(product.pids()), product.said("is replaced.")
    done = threading.Event()

    def visit(_: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        while not done.wait(0.02):
            statuses[product.validate()] += 1
        return statuses

    with ThreadPoolExecutor(2) as clients, slow_download(product.server) as download:
        visits = clients.map(visit, range(2))
        product.supervisor.send_signal(signal.SIGHUP)
        wait_for(lambda: product.said("is replaced.") == before + 1)
        assert len(product.pids()) >= 2
        body = rest_of(download)
        wait_for(lambda: product.said("is replaced.") == before + 2)
        wait_for(lambda: not old & set(product.pids()), what="the end of the old processes")
        done.set()
        statuses = sum(visits, Counter())

    assert len(body) == LARGE_FILE
    assert set(statuses) == {200}
    assert product.files_of_metrics() <= {f"counter_{place}{use}" for place in "12" for use in "ab"}
    assert len(product.pids()) == 2


@pytest.mark.slow
def test_sigterm_lets_answers_arrive_and_refuses_new_connections(product: TwoProcesses) -> None:
    """The last test of this server. Every process gets the signal, as from a service manager."""
    with slow_download(product.server) as download:
        for pid in (product.supervisor.pid, *product.pids()):
            os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not accepts(product.server.port))
        body = rest_of(download)
        code = product.supervisor.wait(35)

    assert len(body) == LARGE_FILE
    assert code == 0
    assert product.output.read_text().endswith("Stopped.\n")


@pytest.mark.slow
def test_a_web_process_ends_with_its_supervisor(tmp_path: Path) -> None:
    env = {**deployment(tmp_path / "data").environment, "PYTHONPATH": str(ROOT)}
    (listening,) = open_sockets("127.0.0.1", 0)
    with listening:
        running = WebProcess((), [listening], env)
        wait_for(running.is_ready)
        running._connection.close()  # as by SIGKILL
        wait_for(running.has_ended)
    assert running.code == 0


@pytest.mark.slow
@pytest.mark.parametrize(("options", "serves"), [([], True), (["--successor"], False)])
def test_only_a_successor_refuses_to_wait_for_migrations(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], options: list[str], serves: bool
) -> None:
    """The first process answers 503 until they are applied; the one before a successor serves."""
    env = {**deployment(tmp_path / "data").environment, "PYTHONPATH": str(ROOT)}
    (listening,) = open_sockets("127.0.0.1", 0)
    with listening:
        empty = {"DATABASE_URL": f"sqlite:///{tmp_path}/empty.sqlite3"}
        running = WebProcess(options, [listening], {**env, **empty})
        wait_for(lambda: running.is_ready() or running.has_ended())
        running.leave(by=signal.SIGINT)
        wait_for(running.has_ended)
    assert (running.code == 0) is serves
    assert (
        "Run manage.py migrate. Then send SIGHUP again." in capfd.readouterr().err
    ) is not serves


@pytest.mark.parametrize(("count", "url", "is_refused"), [
    (1, "", False), (2, "", True), (2, "redis://127.0.0.1/0", False), (0, "redis://127.0.0.1/0", True),
])  # fmt: skip
def test_several_processes_need_a_shared_cache(
    settings: Any, count: int, url: str, is_refused: bool
) -> None:
    settings.WEB_PROCESSES, settings.CACHE_URL = count, url
    assert bool(check_web_processes()) is is_refused


def test_each_process_has_its_part_of_the_spool(settings: Any) -> None:
    settings.SPOOL_MAX_BYTES, settings.WEB_PROCESSES = 800, 2
    counted = BodyBytes(own_part, SHARES)
    assert not counted.add("a client", 101)
    assert all(counted.add(f"client {number}", 100) for number in range(4))
    assert not counted.add("another client", 1)


@contextmanager
def slow_download(server: UploadServer) -> Iterator[socket.socket]:
    """Ask for a large file of a new session, and read the beginning of the answer."""
    server.start_session()
    uploaded = server.upload(pdf(size=LARGE_FILE))
    assert uploaded.status == 201, uploaded
    path = f"{UPLOADS}{json.loads(uploaded.body)['id']}/download/"
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
        connection.settimeout(30)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(request("GET", path, b"", {"Cookie": server.cookie}))
        while not connection.recv(65536, socket.MSG_PEEK).count(b"%PDF"):
            time.sleep(0.01)
        yield connection


def rest_of(download: socket.socket) -> bytes:
    """Read an answer to its end and return its body."""
    received = bytearray()
    while more := download.recv(65536):
        received += more
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), head
    return body


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionError:
        return False
    return True

"""systemd accepts the units of deploy/, and they leave the product the time that it needs to stop."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from maria_project import web_processes
from tests import units
from tests.need import need

SERVICES = ("web", "worker", "migrate")
# Of 100; a service without any hardening has 96.
MOST_EXPOSED = 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the units whose interpreter exists."""
    for file in units.FOLDER.rglob("*.*"):
        if file.is_file():
            copy = tmp_path / file.relative_to(units.FOLDER)
            copy.parent.mkdir(exist_ok=True)
            copy.write_text(file.read_text().replace(units.INTERPRETER, sys.executable))
    return tmp_path


def analyze(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run systemd-analyze; return its exit code and output."""
    command = [need("systemd-analyze", "systemd"), "--no-pager", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_systemd_understands_every_line(folder: Path) -> None:
    files = [f"./maria-{name}.service" for name in SERVICES]
    assert analyze(folder, "verify", *files) == (0, "")


def test_the_services_are_hardened(folder: Path) -> None:
    threshold = f"--threshold={MOST_EXPOSED}"
    for name in SERVICES:
        file = f"maria-{name}.service"
        code, output = analyze(folder, "security", "--offline=true", threshold, file)
        assert code == 0, output[-200:]


def test_a_stop_signals_one_process_and_waits_long_enough() -> None:
    web, worker = units.read("web"), units.read("worker")
    assert (web.last("KillMode"), worker.last("KillMode")) == ("mixed", "mixed")
    assert web.stop_seconds >= web_processes.GRACE_SECONDS + 50  # a long DRAIN_TIME
    assert worker.stop_seconds > settings.Q_CLUSTER["timeout"]


def test_every_unit_starts_a_command_of_the_product() -> None:
    assert {name: units.read(name).arguments[0] for name in SERVICES} == {
        "web": "serve",
        "worker": "qcluster",
        "migrate": "migrate",
    }

"""The supervisor: children that end, stall, are replaced, or do not want to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maria_project import supervisor
from maria_project.supervisor import LOG_BYTES, LOG_FILES, ChildProcess, RunningProcess, end
from tests.maria_project.server import ROOT, wait_for

pytestmark = pytest.mark.slow

GRACE_SECONDS = 1


def sleeper(tmp_path: Path, code: str = "import time; time.sleep(60)") -> ChildProcess:
    command = [sys.executable, "-c", code]
    return ChildProcess(
        "sleeper", lambda _: RunningProcess(command, {}, GRACE_SECONDS), tmp_path / "sleeper.log"
    )


def test_a_stalled_child_is_restarted_even_if_it_ignores_sigterm(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    child.start()
    first = child.pid
    os.kill(first, signal.SIGSTOP)  # it ignores SIGTERM
    child.is_stalled = lambda _: True
    assert child.watch() == "The sleeper has stalled. Restarting it."
    assert child.watch() == "The sleeper is replaced."
    assert child.pid not in (0, first)
    child.is_stalled = lambda _: False
    wait_for(lambda: child.watch() or not child.is_changing)
    assert not Path(f"/proc/{first}").exists()
    end([child])


def test_a_child_that_ends_at_once_is_restarted_with_growing_pauses(tmp_path: Path) -> None:
    child = sleeper(tmp_path, "raise SystemExit(7)")
    child.start()
    assert wait_for(child.watch) == "The sleeper ended with code 7. Restarting it."
    first = child.backoff
    wait_for(child.watch)
    assert child.backoff > first
    end([child])


def test_full_logs_are_rotated_and_a_limited_number_is_kept(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    assert child.log_file
    for _ in range(LOG_FILES + 2):
        child.log_file.write_bytes(b"x" * LOG_BYTES)
        child.start()
        end([child])
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        f"sleeper.log.{number}" for number in range(1, LOG_FILES + 1)
    ]


class StartingProcess(RunningProcess):
    def is_ready(self) -> bool:
        return False


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise SystemExit(7)", "The new sleeper ended with code 7. The old one stays."),
        ("import time; time.sleep(60)", "The new sleeper ended with code -15. The old one stays."),
    ],
)
def test_a_successor_that_is_never_ready_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, message: str
) -> None:
    monkeypatch.setattr(supervisor, "READY_SECONDS", 1)
    child = sleeper(tmp_path)
    child.start()
    first = child.pid
    launched = []

    def launch(is_successor: bool) -> RunningProcess:
        launched.append(is_successor)
        return StartingProcess([sys.executable, "-c", code], {})

    child.launch = launch
    child.replace()

    assert wait_for(child.watch) == message

    assert child.pid == first
    assert not child.is_changing
    assert launched == [True]
    end([child])


def test_each_child_has_its_grace_period_at_the_same_time(tmp_path: Path) -> None:
    children = [sleeper(tmp_path) for _ in range(3)]
    for child in children:
        child.start()
        os.kill(child.pid, signal.SIGSTOP)  # it ignores SIGTERM
    began = time.monotonic()
    end(children)
    assert time.monotonic() < began + 3 * GRACE_SECONDS
    assert all(child.has_ended() for child in children)


def test_only_a_process_of_a_terminal_has_one(tmp_path: Path) -> None:
    """SIGHUP of a terminal means that it was closed."""
    code = "from maria_project.supervisor import has_terminal; raise SystemExit(has_terminal())"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, cwd=ROOT, start_new_session=True, check=False).returncode == 0

    pid, terminal = os.forkpty()
    if not pid:
        os.chdir(ROOT)
        os.execv(sys.executable, command)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    os.close(terminal)

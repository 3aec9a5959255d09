"""`./run --demo`: its own database, invented sessions, and a working log-in for each staff role."""

import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from tests.maria_project.server import ROOT, answers, environment, process, wait_for
from tests.maria_project.test_run import sign_in
from tests.ports import free_port

pytestmark = pytest.mark.slow

SESSIONS_LIST = "/admin/sessions_app/usersession/"
ROLES = ("demo-support", "demo-auditor", "demo-operator", "demo-admin")
SEE_SESSIONS = {"demo-support", "demo-auditor", "demo-admin"}
# Settings of another deployment, which the demo must not touch.
ENV_FILE = """
DATABASE_URL=postgres://user:password@127.0.0.1:9/other
STORAGE_URL=s3://key:secret@bucket?endpoint_url=http://127.0.0.1:9
CACHE_URL=redis://127.0.0.1:9/0
WEB_PROCESSES=2
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the product with an empty `var/`."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in ("run", "var", ".git", ".env"):
            (folder / path.name).symlink_to(path)
    shutil.copy(ROOT / "run", folder)
    return folder


def logins(printed: str) -> dict[str, str]:
    return dict(re.findall(r"^  (demo-\w+) +(\S+)$", printed, re.M))


def listed_sessions(staff: requests.Session, base: str) -> int:
    page = staff.get(base + SESSIONS_LIST, timeout=60)
    assert page.status_code in (200, 403)
    return len(re.findall(rf'href="{SESSIONS_LIST}[0-9a-f-]{{36}}/change/', page.text))


def test_the_printed_log_ins_open_the_admin_and_change_at_each_start(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "env").write_text(ENV_FILE)
    port = free_port()
    base = f"http://localhost:{port}"
    env = environment(
        tmp_path / "other", PORT=str(port), DEMO_PAGE="false", ENV_FILE=str(tmp_path / "env")
    )
    passwords: list[str] = []
    for start in ("first", "second"):
        log = tmp_path / f"{start}.log"
        with process([str(checkout / "run"), "--demo"], env, log) as running:
            wait_for(lambda: answers(f"{base}/health/live"), 180, f"./run --demo, see {log}")
            printed = logins(log.read_text())
            assert tuple(printed) == ROLES
            for username, password in printed.items():
                staff = sign_in(base, username, password)
                assert bool(listed_sessions(staff, base)) is (username in SEE_SESSIONS), username
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
        assert ("Created 200 sessions." in log.read_text()) is (start == "first")
        passwords += printed.values()
    assert len(set(passwords)) == 2 * len(ROLES)
    assert (checkout / "var" / "demo" / "db.sqlite3").exists()
    assert not (tmp_path / "other").exists()


def test_the_demo_refuses_a_public_host(checkout: Path, tmp_path: Path) -> None:
    env = environment(tmp_path, PUBLIC_URL="https://maria.example", SECRET_KEY="k" * 50)
    done = subprocess.run(
        [str(checkout / "run"), "--demo"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "PUBLIC_URL is https://maria.example. The demo runs on this machine only" in done.stderr
    assert not (checkout / "var" / "demo" / "db.sqlite3").exists()


def test_the_command_alone_does_not_seed_another_database() -> None:
    with pytest.raises(CommandError, match=r"\./run --demo"):
        call_command("serve", "--demo", port=str(free_port()))

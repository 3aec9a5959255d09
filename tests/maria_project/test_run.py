"""`./run`: start, the README's commands, the admin, stop, start again."""

import re
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from django.core.management import CommandError, call_command

from tests.maria_project.server import ROOT, answers, environment, process, wait_for
from tests.maria_project.test_private_files import assert_private, make_wide
from tests.need import need
from tests.ports import free_port

pytestmark = pytest.mark.slow

STAFF = {"STAFF_USERNAME": "desk", "STAFF_PASSWORD": "a-long-password-1"}


def readme_lines() -> str:
    """Return the README's commands for the main job."""
    section = (ROOT / "README.md").read_text().split("## The main job")[1]
    match = re.search(r"```sh\n(.*?)```", section, re.S)
    assert match
    return match[1]


def sign_in(base: str, username: str, password: str) -> requests.Session:
    staff = requests.Session()
    staff.get(f"{base}/admin/login/", timeout=60)
    answer = staff.post(
        f"{base}/admin/login/",
        {
            "username": username,
            "password": password,
            "csrfmiddlewaretoken": staff.cookies["csrftoken"],
            "next": "/admin/",
        },
        timeout=60,
    )
    assert answer.url == f"{base}/admin/", answer.text
    return staff


def environments_of_processes(data: Path) -> str:
    """Return the environment of each process that has `data` in it."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found.append(file.read_bytes().decode(errors="replace"))
    ours = [text for text in found if f"DATA_DIR={data}" in text]
    assert len(ours) > 2
    return "\n".join(ours)


def run_main_job(base: str, folder: Path) -> str:
    """Run the README's commands in `folder`; return their output."""
    done = subprocess.run(
        ["sh", "-eu", "-c", readme_lines()],
        env=environment(folder, API=f"{base}/api/v1", PDF=str(ROOT / "docs/images/sample.pdf")),
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_t93_the_readmes_commands_work_on_a_new_data_folder_and_again(tmp_path: Path) -> None:
    need("curl", "curl")
    port = free_port()
    base = f"http://localhost:{port}"
    env = environment(tmp_path / "data", PORT=str(port), **STAFF)
    for start, umask in (("first", 0), ("second", 0o022)):
        log = tmp_path / f"{start}.log"
        with process([str(ROOT / "run")], env, log, umask) as running:
            wait_for(lambda: answers(f"{base}/health/live"), 120, f"./run, see {log}")
            printed = run_main_job(base, tmp_path)
            assert "identical" in printed
            assert STAFF["STAFF_PASSWORD"] not in environments_of_processes(tmp_path / "data")
            assert (tmp_path / "copy.pdf").read_bytes() == (
                ROOT / "docs/images/sample.pdf"
            ).read_bytes()
            found = re.search(r"MAR-\w{3}-\w{3}-\w{3}", printed)
            assert found
            staff = sign_in(base, STAFF["STAFF_USERNAME"], STAFF["STAFF_PASSWORD"])
            search = staff.get(f"{base}/admin/find/", params={"q": found[0]}, timeout=60)
            link = re.search(
                r'href="(/admin/sessions_app/usersession/[0-9a-f-]{36}/change/)', search.text
            )
            assert link, search.text
            page = staff.get(base + link[1], timeout=60).text
            assert "s•••.pdf" in page
            assert all(
                event in page for event in ("session.created", "upload.stored", "session.reset")
            )
            running.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0
        assert_private(tmp_path / "data")
        make_wide(tmp_path / "data")  # as a version before left it
        said = log.read_text()
        assert f"{base}/admin/" in said
        assert ("desk" in said) is (start == "first")
        assert STAFF["STAFF_PASSWORD"] not in said
        assert not answers(f"{base}/health/live")


def test_a_used_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run(
            [str(ROOT / "run")],
            env=environment(tmp_path, PORT=str(port)),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "db.sqlite3").exists()


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", ""])
def test_a_bad_port_is_refused(port: str) -> None:
    with pytest.raises(CommandError, match="choose a number from 1 to 65535"):
        call_command("serve", port=port)


def test_a_bad_port_in_the_file_of_settings_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "settings"
    file.write_text("PORT=70000\n")
    done = subprocess.run(
        [str(ROOT / "run")],
        env=environment(tmp_path / "data", ENV_FILE=str(file)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "choose a number from 1 to 65535" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_python_is_one_sentence(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "cat", "cksum"):
        program = shutil.which(name)
        assert program
        (tools / name).symlink_to(program)
    done = subprocess.run(
        [str(ROOT / "run")], env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Python 3.11 or newer is missing" in done.stderr

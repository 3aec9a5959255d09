"""The commands of docs/agent-backend.md work against a real server."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.helpers import pdf
from tests.maria_project.server import ROOT, process, wait_for
from tests.uploads_app.server import WAITRESS, UploadServer, deployment, serving

pytestmark = pytest.mark.slow

BODY = pdf("for the agent")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UploadServer]:
    """A server with a session that has one file."""
    with serving(deployment(tmp_path_factory.mktemp("agent") / "data"), WAITRESS) as server:
        assert server.upload(BODY).status == 201
        yield server


def lines(language: str, number: int) -> str:
    """Return a code block of the page."""
    page = (ROOT / "docs" / "agent-backend.md").read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return found[number]


@pytest.fixture(scope="module")
def key(server: UploadServer) -> str:
    """The key that the page's command creates."""
    command = lines("sh", 0).split()
    assert command[:2] == ["python", "manage.py"]
    done = subprocess.run(
        [sys.executable, *command[1:]],
        cwd=ROOT, env=server.deployment.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() not in done.stderr
    return done.stdout.strip()


def environment(server: UploadServer, key: str) -> dict[str, str]:
    return {
        "MARIA_API": f"http://127.0.0.1:{server.port}/api/v1",
        "MARIA_KEY": key,
        "PYTHONUNBUFFERED": "1",
    }


def assertion(server: UploadServer) -> str:
    """Request an assertion as the page's script does."""
    answer = requests.post(
        f"http://127.0.0.1:{server.port}/api/v1/sessions/current/assertion/",
        headers={"Cookie": server.cookie.strip(), "X-Session-UUID": server.uuid},
        timeout=60,
    )
    text: str = answer.json()["assertion"]
    return text


def run(
    server: UploadServer, key: str, shown: str, folder: Path
) -> "subprocess.CompletedProcess[str]":
    """Run the ten lines with an assertion."""
    return subprocess.run(
        [sys.executable, "-c", lines("python", 0), shown],
        cwd=folder, env=environment(server, key), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_ten_lines_download_the_file(server: UploadServer, key: str, tmp_path: Path) -> None:
    done = run(server, key, assertion(server), tmp_path)

    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.iterdir()
    assert file.read_bytes() == BODY
    assert "upload.downloaded" in server.deployment.events()


def test_the_ten_lines_report_an_invalid_assertion(
    server: UploadServer, key: str, tmp_path: Path
) -> None:
    shown = assertion(server)
    for no_good in (shown[:-5] + "AAAAA", "nonsense"):
        done = run(server, key, no_good, tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("not a live session")
    assert not list(tmp_path.iterdir())


def test_the_feed_script_continues_where_it_stopped(
    server: UploadServer, key: str, tmp_path: Path
) -> None:
    env, log = environment(server, key), tmp_path / "followed"
    script = tmp_path / "follow.py"
    script.write_text(f"import os; os.chdir({str(tmp_path)!r})\n" + lines("python", 1))

    def followed() -> list[str]:
        """Return the printed ids, once the position is saved."""
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        return [entry["event_id"] for entry in entries]

    def written() -> list[str]:
        rows = server.deployment.rows(
            "SELECT event_id FROM audit_app_auditlog JOIN audit_app_feedentry ON log_id = id ORDER BY id"
        )
        return [str(event_id) for (event_id,) in rows]

    place = tmp_path / "place-in-feed"
    for _ in range(2):
        server.start_session()
        with process([sys.executable, str(script)], env, log):
            wait_for(
                lambda: place.exists() and place.read_text() == str(len(written())),
                what=f"the feed to be followed, see {log}",
            )
    assert [event.replace("-", "") for event in followed()] == written()


def test_the_key_is_in_no_log(server: UploadServer, key: str) -> None:
    logged = (server.deployment.data / "log").read_text()
    assert "/api/v1/" in logged or logged == ""
    assert key.removeprefix("msk1_") not in logged

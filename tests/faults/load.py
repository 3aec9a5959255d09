"""Visitors who send requests at the same time while a service behind the web server fails."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.maria_project.server import answers, process, wait_for
from tests.ports import free_port
from tests.uploads_app.server import WAITRESS


@dataclass(frozen=True)
class LoadAnswer:
    """An answer, and how long it took."""

    status: int
    seconds: float
    headers: Mapping[str, str]
    document: Any

    @property
    def code(self) -> str:
        """The code of a problem document; empty for other answers."""
        return str(self.document.get("code", ""))


@dataclass
class Web:
    """A running web server, and a session."""

    port: int
    log: Path
    cookie: str = ""
    uuid: str = ""

    def ask(self, method: str, path: str, **extra: Any) -> LoadAnswer:
        """Send one request on a new connection."""
        started = time.monotonic()
        response = requests.request(
            method,
            f"http://127.0.0.1:{self.port}{path}",
            timeout=60,
            allow_redirects=False,
            **extra,
        )
        seconds = time.monotonic() - started
        is_json = "json" in response.headers.get("Content-Type", "")
        document = response.json() if is_json else {"text": response.text}
        return LoadAnswer(response.status_code, seconds, response.headers, document)

    def create(self) -> LoadAnswer:
        """POST sessions/."""
        return self.ask("POST", "/api/v1/sessions/", json={})

    def current(self) -> LoadAnswer:
        """GET sessions/current/."""
        return self.ask("GET", "/api/v1/sessions/current/", headers={"Cookie": self.cookie})

    def files(self) -> LoadAnswer:
        """GET uploads/."""
        return self.ask("GET", "/api/v1/uploads/", headers={"Cookie": self.cookie})

    def upload(self, content: bytes = b"no pdf") -> LoadAnswer:
        """POST uploads/."""
        proof = {"Cookie": self.cookie, "X-Session-UUID": self.uuid}
        return self.ask("POST", "/api/v1/uploads/", headers=proof, files={"file": content})

    def begin(self) -> None:
        """Create the session that `current` and `upload` use."""
        answer = self.create()
        assert answer.status == 201, answer
        self.uuid = answer.document["uuid"]
        self.cookie = answer.headers["Set-Cookie"].partition(";")[0]

    def ready(self) -> tuple[int, dict[str, str]]:
        """GET health/ready."""
        answer = self.ask("GET", "/health/ready")
        return answer.status, answer.document["parts"]

    def wait_for_health(self, part: str, state: str) -> int:
        """Wait until health reports a part so; return the HTTP status.

        Parts are checked one by one, so all are well a little later than the first.
        """
        wait_for(lambda: self.ready()[1].get(part) == state, 30, f"{part} to be {state}")
        if state == "ok":
            wait_for(lambda: self.ready()[0] == 200, 30, "all parts to be well")
        return self.ready()[0]

    def logged(self, text: str) -> int:
        """Count the log lines that contain `text`."""
        return sum(text in line for line in self.log.read_text().splitlines())


@contextmanager
def serving(folder: Path, env: Mapping[str, str]) -> Iterator[Web]:
    """Run the web server of `./run` in an environment."""
    web = Web(free_port(), folder / "web.log")
    own = {"LOG_FILE": str(web.log), "DJANGO_SETTINGS_MODULE": "maria_project.settings"}
    with process([sys.executable, *WAITRESS, str(web.port)], {**env, **own}, folder / "output"):
        wait_for(lambda: answers(f"http://127.0.0.1:{web.port}/health/live"))
        yield web


def together(
    jobs: list[Callable[[], LoadAnswer]], threads: int, midway: Callable[[], None] = lambda: None
) -> list[LoadAnswer]:
    """Run the jobs in threads, and `midway` when half of them have started."""

    def do(number: int) -> LoadAnswer:
        if number == len(jobs) // 2:
            midway()
        return jobs[number]()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(do, range(len(jobs))))

"""Runs the product with its own data, for a browser to visit.

Usually this is the web server of `./run` alone: the whole of it costs seven
seconds of a processor for each start, and the web server one.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.maria_project.server import MANAGE, ROOT, answers, process, wait_for
from tests.ports import free_port
from tests.uploads_app.server import WAITRESS, Deployment, deployment

# One helper process runs lines of Python (JSON in, JSON out), because loading Django takes a second.
_HELPER = """
import json, sys, django
answers, sys.stdout = sys.stdout, sys.stderr
django.setup()
for line in sys.stdin:
    names = {}
    exec(json.loads(line), names)
    print(json.dumps(names.get("answer"), default=str), file=answers, flush=True)
"""


@dataclass
class Site:
    """A server on its own port, which can be stopped and started again with its data.

    Its limits are high (PLENTY), so that tests may open many tabs; `settings`
    are further variables of its environment. With `worker` it is all that `./run`
    starts. Nothing here uses the ORM of this process: see `chromium`.
    """

    deployment: Deployment
    settings: Mapping[str, str]
    worker: bool = False
    port: int = field(default_factory=free_port)
    _running: ExitStack = field(default_factory=ExitStack, init=False)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)
    _is_running: bool = field(default=False, init=False)
    _helper: "subprocess.Popen[str] | None" = field(default=None, init=False)

    @property
    def url(self) -> str:
        """The origin for visitors, without a trailing slash."""
        return self.settings.get("PUBLIC_URL", f"http://localhost:{self.port}")

    @property
    def host(self) -> str:
        """The `host:port` of the page's own requests."""
        return urlsplit(self.url).netloc

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return {**self.deployment.environment, "PORT": str(self.port), **self.settings}

    @property
    def is_running(self) -> bool:
        """Whether it is started."""
        return self._is_running

    def start(self, **settings: str) -> None:
        """Start it and wait until it answers; later starts keep `settings`, too."""
        self.settings = {**self.settings, **settings}
        log = self.deployment.data / "output"
        web = [sys.executable, *WAITRESS, str(self.port)]
        command = [*MANAGE, "serve"] if self.worker else web
        self._process = self._running.enter_context(process(command, self.environment, log))
        live = f"http://localhost:{self.port}/health/live"
        wait_for(lambda: answers(live), what=f"the site, see {log}")
        self._is_running = True

    def kill(self) -> None:
        """End it at once, in the middle of what it does."""
        assert self._process
        assert not self.worker
        self._process.kill()
        self._process.wait()
        self.stop()

    def stop(self) -> None:
        """Stop it and wait for its end. It finishes the requests that have begun."""
        self._is_running = False
        self._running.close()
        self._helper = None

    def manage(self, *arguments: str) -> str:
        """Run a `manage.py` command on its data and return what it prints."""
        return self._output(*MANAGE, *arguments)

    def run(self, code: str) -> Any:
        """Run Python code on its data and return the value of `answer` (JSON)."""
        helper = self._helper = self._helper or self._started_helper()
        assert helper.stdin is not None
        assert helper.stdout is not None
        helper.stdin.write(json.dumps(code) + "\n")
        helper.stdin.flush()
        answer = helper.stdout.readline()
        assert answer, f"it failed, see {self.deployment.data / 'output'}"
        return json.loads(answer)

    def revoke(self, session_uuid: str) -> None:
        """Revoke a session, as support does."""
        self._change(
            session_uuid,
            "from sessions_app.services.sessions import revoke_session",
            "revoke_session(session=session, reason='asked for in a test')",
        )

    def age_session(self, session_uuid: str, by: timedelta) -> None:
        """Shift a session's times into the past by `by`."""
        self._change(
            session_uuid,
            "from datetime import timedelta; from tests.helpers import age_session",
            f"age_session(session, timedelta(seconds={by.total_seconds()}))",
        )

    def mailed_code(self) -> str:
        """Return the code of the newest mail. Without a mail server the site prints its mails."""
        output = self.deployment.data / "output"
        codes: list[str] = wait_for(
            lambda: re.findall(r"^(\d{6}) is your code", output.read_text(), re.MULTILINE),
            what="a mail with a code",
        )
        return codes[-1]

    def sessions(self) -> list[str]:
        """Return the UUIDs of all sessions, the oldest first."""
        rows = self.deployment.rows("SELECT uuid FROM sessions_app_usersession ORDER BY created_at")
        return [_with_hyphens(str(uuid)) for (uuid,) in rows]

    def events(self, session_uuid: str = "") -> list[str]:
        """Return the types of all audit events or one session's, in order."""
        return [event["event_type"] for event in self.audit(session_uuid)]

    def audit(self, session_uuid: str = "") -> list[dict[str, Any]]:
        """Return audit events, all or one session's: `event_type`, `outcome`, `details`, …"""
        rows = self.deployment.rows("SELECT text FROM audit_app_auditlog ORDER BY id")
        found = [json.loads(str(text)) for (text,) in rows]
        return [event for event in found if session_uuid in ("", event["session_uuid"])]

    def _change(self, session_uuid: str, imports: str, call: str) -> None:
        self.run(
            f"{imports}\nfrom sessions_app.models import UserSession\n"
            f"session = UserSession.objects.get(pk={session_uuid!r})\n{call}"
        )

    def _started_helper(self) -> "subprocess.Popen[str]":
        """Start the helper process, unless it runs."""
        with (self.deployment.data / "output").open("a") as complaints:
            helper = subprocess.Popen(
                [sys.executable, "-c", _HELPER], cwd=ROOT, env=self.environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints,
            )  # fmt: skip
        self._running.enter_context(helper)  # closes its input, at which it ends, and waits
        return helper

    def _output(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Sites:
    """The sites of one test process: modules with the same settings share one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running = ExitStack()
        self._sites: dict[tuple[bool, frozenset[tuple[str, str]]], Site] = {}

    def with_settings(self, settings: Mapping[str, str], *, worker: bool) -> Site:
        """Return a running site with these settings."""
        key = worker, frozenset(settings.items())
        if key not in self._sites:
            data = self._folder / f"data-{len(self._sites)}"
            site = self._running.enter_context(serving(data, worker=worker, **settings))
            self._sites[key] = site
        site = self._sites[key]
        if not site.is_running:  # a test failed between its stop and its start
            site.start()
        return site

    def close(self) -> None:
        """Stop all sites."""
        self._running.close()


@contextmanager
def serving(folder: Path, *, worker: bool = False, **settings: str) -> Iterator[Site]:
    """Run a site whose data is `folder`, which must not exist yet."""
    site = Site(deployment(folder), settings, worker)
    try:
        site.start()
        yield site
    finally:
        site.stop()


def _with_hyphens(digits: str) -> str:
    parts = digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]
    return "-".join(parts)

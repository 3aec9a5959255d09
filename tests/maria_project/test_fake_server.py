"""The fake server of `@maria/sessions/testing` answers like the real one.

The requests are in `frontend/tests/contract/`. They run against both servers at
the same time, so that no recorded answers can become outdated.
"""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Site, serving
from tests.maria_project.server import run_quietly
from tests.node import FRONTEND, need_node, shell
from tests.s3_server import Bucket, S3Server, fresh_bucket

pytestmark = pytest.mark.slow

SCRIPT = "tests/contract/contract.test.ts"


def test_each_answer_of_the_fake_server_is_that_of_the_real_one(
    tmp_path: Path, s3_process: S3Server
) -> None:
    need_node()
    run_quietly(shell("front_packages"))
    with (
        fresh_bucket(s3_process) as bucket,
        served(tmp_path, bucket) as site,
        controlled(site) as control,
    ):
        variables = {"CONTRACT_SERVER": site.url, "CONTRACT_CONTROL": control}
        done = subprocess.run(
            ["npx", "vitest", "run", "--project", "page", SCRIPT, "-t", "of the real server"],
            cwd=FRONTEND, env={**os.environ, **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


@contextmanager
def served(folder: Path, bucket: Bucket) -> Iterator[Site]:
    """Run a site that offers direct uploads, and whose limits the script does not reach."""
    with serving(
        folder / "data",
        STORAGE_URL=bucket.url,
        DIRECT_UPLOADS="true",
        RATE_LIMIT_EXPORT="1/d",
        RATE_LIMIT_RECOVER="1000/m",
    ) as site:
        yield site


@contextmanager
def controlled(site: Site) -> Iterator[str]:
    """Serve what staff, time and the mail server do, for the script; yield the address."""
    acts: dict[str, Callable[[str], Any]] = {
        "recovery_code": lambda uuid: site.run(_RECOVERY_CODE.format(uuid)),
        "revoke": site.revoke,
        "expire": lambda uuid: site.age_session(uuid, timedelta(days=2)),
        "quarantine": lambda uuid: site.run(_QUARANTINE.format(uuid)),
        "mailed_code": lambda _: site.mailed_code(),
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, act, uuid = self.path.split("/")
            answer = json.dumps(acts[act](uuid)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


_SESSION = """
from common.context import as_operator
from sessions_app.models import UserSession
session = UserSession.objects.get(pk={!r})
"""
_RECOVERY_CODE = (
    _SESSION
    + """
from sessions_app.services.recovery import issue_recovery_code
with as_operator():
    answer = issue_recovery_code(session=session, reason="asked for in a test")
"""
)
_QUARANTINE = (
    _SESSION
    + """
from uploads_app.models import UploadedFile, UploadStatus
UploadedFile.objects.filter(session=session).update(status=UploadStatus.QUARANTINED)
"""
)

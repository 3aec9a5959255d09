"""`python -m tests.upgrade`: the previous version and this one, on one PostgreSQL, under load.

The previous version is the commit in scripts/previous_version. It serves visitors and staff while
this version migrates its database, then both serve, then the previous one is started on the new
schema, as in a rollback. Every answer of 5xx is a failure. So is a statement that waits more than
a second for a lock, and a table that a migration wrote anew.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import requests

from benchmarks.base import Checkout, checkout
from tests import postgres, scratch
from tests.cluster.journal import Journal
from tests.cluster.visitors import visiting
from tests.maria_project.server import answers, environment, process, wait_for
from tests.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
SESSIONS, SECONDS = 2_000, 8
VISITORS = 4
FILE_BYTES = 4000
PAGES = ("", "sessions_app/usersession/", "uploads_app/uploadedfile/", "audit_app/auditlog/")
_SIGN_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.create_superuser("upgrade"))
print("cookie", *(f"{name}={one.value}" for name, one in client.cookies.items() if "staff" in name))
"""
_FILES = (
    "SELECT relname, pg_relation_filenode(oid) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)


@dataclass
class Phase:
    """What was answered while one thing happened."""

    title: str
    journals: list[Journal]
    pages: list[int] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[int]:
        replies = [reply.status for journal in self.journals for reply in journal.replies]
        return Counter([*replies, *self.pages])

    @property
    def failures(self) -> dict[int, int]:
        return {status: n for status, n in self.statuses.items() if not 0 < status < 500}

    def __str__(self) -> str:
        slowest = max((r.seconds for j in self.journals for r in j.replies), default=0.0)
        return (
            f"{self.title:<52}{self.statuses.total():>8} answers{sum(self.failures.values()):>5} x 5xx"
            f"   slowest {slowest:.2f} s"
        )


@dataclass
class Upgrade:
    """Two versions on one database and one store."""

    folder: Path
    server: postgres.PostgresServer
    previous: Checkout
    phases: list[Phase] = field(default_factory=list)
    cookie: str = ""

    @property
    def current(self) -> Checkout:
        return Checkout("this version", ROOT, sys.executable)

    @property
    def env(self) -> dict[str, str]:
        return environment(
            self.folder,
            DATABASE_URL=self.server.url,
            DJANGO_SETTINGS_MODULE="maria_project.settings",
            RATE_LIMIT_TRUSTED_NETWORKS="127.0.0.1/32",
            RATE_LIMIT_TRUSTED_FACTOR="10000",
        )

    def manage(self, version: Checkout, *arguments: str) -> str:
        done = subprocess.run(
            [version.python, "manage.py", *arguments],
            env=self.env, cwd=version.folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"manage.py {arguments[0]} of {version.commit}: {done.stderr}")
        return done.stdout

    @contextmanager
    def running(self, version: Checkout) -> Iterator[str]:
        """Run a web process and a worker of a version; yield the address."""
        port = free_port()
        env = {**self.env, "PYTHONPATH": str(version.folder)}
        log = self.folder / f"log-{port}"
        web = [
            "env",
            "-C",
            str(version.folder),
            version.python,
            "-m",
            "maria_project.web",
            "127.0.0.1",
            str(port),
        ]
        worker = ["env", "-C", str(version.folder), version.python, "manage.py", "qcluster"]
        with process(web, env, log), process(worker, env, log):
            wait_for(lambda: answers(f"http://127.0.0.1:{port}/health/live"), what=log.read_text())
            yield f"http://127.0.0.1:{port}"

    @contextmanager
    def phase(self, title: str, *urls: str) -> Iterator[None]:
        """Let visitors and staff use the product at these addresses inside the block, and after it."""
        phase = Phase(title, [Journal() for _ in urls])
        with ExitStack() as stack:
            for url, journal in zip(urls, phase.journals, strict=True):
                stack.enter_context(visiting(url, "", journal, FILE_BYTES, VISITORS))
            yield
            ends = time.monotonic() + SECONDS
            while time.monotonic() < ends:
                phase.pages += [self._page(url, page) for url in urls for page in PAGES]
        print(phase, flush=True)
        self.phases.append(phase)

    def _page(self, url: str, page: str) -> int:
        headers = {"Cookie": self.cookie}
        return requests.get(f"{url}/admin/{page}", headers=headers, timeout=60).status_code

    def table_files(self) -> dict[str, int]:
        """Return the file of each table: a table that is written anew gets another one."""
        with psycopg.connect(self.server.url) as connection:
            return dict(connection.execute(_FILES).fetchall())


def main(arguments: Sequence[str]) -> int:
    options = _parser().parse_args(arguments)
    if not _is_in_history(options.commit):
        print(f"Skipped: this clone has no commit {options.commit}. Run git fetch --unshallow.")
        return 0
    folder = scratch.begin_run()
    with (
        tempfile.TemporaryDirectory(dir=folder) as data,
        checkout(options.commit) as previous,
        postgres.serving() as server,
    ):
        server.configure("log_lock_waits = on")
        server.configure("deadlock_timeout = 1s")
        server.stop()
        server.start()
        upgrade = Upgrade(Path(data), server, previous)
        problems = rehearse(upgrade, options.sessions)
        _print_log(upgrade)
    print("\n".join(problems) or "No request failed, waited for a lock, or saw a rewritten table.")
    return int(bool(problems))


def _is_in_history(commit: str) -> bool:
    known = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return not subprocess.run(known, cwd=ROOT, capture_output=True).returncode


def rehearse(upgrade: Upgrade, sessions: int) -> list[str]:
    """Upgrade and roll back under load; return what went wrong."""
    old, new = upgrade.previous, upgrade.current
    print(f"The previous version is {old.commit}.", flush=True)
    upgrade.manage(old, "migrate", "-v0")
    upgrade.manage(old, "seed_demo", f"--sessions={sessions}", "--without-files")
    upgrade.cookie = (
        upgrade.manage(old, "shell", "-v0", "-c", _SIGN_IN).partition("cookie ")[2].strip()
    )
    before = upgrade.table_files()
    with upgrade.running(old) as first:
        with upgrade.phase("previous code while this version migrates", first):
            print(
                upgrade.manage(new, "migrate").partition("Running migrations:")[2].rstrip(),
                flush=True,
            )
        with (
            upgrade.running(new) as second,
            upgrade.phase("previous and new code, new schema", first, second),
        ):
            pass
    with (
        upgrade.running(old) as again,
        upgrade.phase("rollback: previous code starts on the new schema", again),
    ):
        upgrade.manage(old, "expire_sessions")
    after = upgrade.table_files()
    failures = [f"{phase.title}: {phase.failures}" for phase in upgrade.phases if phase.failures]
    rewritten = [f"{name} was written anew" for name in before if before[name] != after.get(name)]
    return [*failures, *rewritten, *_lock_waits(upgrade.server)]


def _lock_waits(server: postgres.PostgresServer) -> list[str]:
    """Return what PostgreSQL logged about statements that waited for a lock for a second.

    Migrations wait for old transactions, and nobody waits for them.
    """
    lines = (server.folder / "log").read_text().splitlines()
    waits = re.compile(r"still waiting for \w+ on (?:relation|tuple|transaction|extension)")
    return [line for line in lines if waits.search(line)]


def _print_log(upgrade: Upgrade) -> None:
    """Print the errors in the logs of both versions, each once."""
    texts = [path.read_text() for path in upgrade.folder.glob("log-*")]
    errors = {line[:300] for text in texts for line in text.splitlines() if '"ERROR"' in line}
    print("\n".join(sorted(errors)), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.upgrade")
    commit = (ROOT / "scripts" / "previous_version").read_text().strip()
    parser.add_argument(
        "--commit", default=commit, help="the previous version (default: %(default)s)"
    )
    parser.add_argument(
        "--sessions", type=int, default=SESSIONS, help="rows to migrate (default: %(default)s)"
    )
    return parser


if __name__ == "__main__":
    os.environ.setdefault("ENV_FILE", os.devnull)
    sys.exit(main(sys.argv[1:]))

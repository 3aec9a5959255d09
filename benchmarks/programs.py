"""The programs that `make bench` compares: how each is started, and who its clients are."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.base import Checkout
from benchmarks.cases import BenchmarkCase, Form
from benchmarks.deployment import PRODUCT, ROOT, BenchmarkServer, beside, running, serving
from benchmarks.sameness import Check, contains_text, has_same_fields, is_replayed
from benchmarks.visitors import ApiVisitors, BetterAuthVisitors, Visitors

OURS, BARE, PEER, BETTER_AUTH = "ours", "bare", "peer", "Better Auth"
_BETTER_AUTH = ROOT / "benchmarks" / "better_auth"


@dataclass(frozen=True)
class Program:
    """A program that answers the requests. Without `visit` it shares the product's database and visitors.

    `check` raises UnequalWork unless it does the product's work.
    """

    name: str
    serve: Callable[[], AbstractContextManager[BenchmarkServer]]
    check: Check
    visit: Callable[[int, int], Visitors] | None = None


class Plan:
    """What `record` has recorded on the product's database."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.folder = Path(env["DATA_DIR"])
        self._plan: dict[str, Any] = json.loads(self.file.read_text())
        self.body = self.folder / "body"
        self.form = Form(self.body.read_bytes(), self._plan["form_type"])
        self.service_key: str = self._plan["service_key"]

    @property
    def file(self) -> Path:
        return self.folder / "plan.json"

    def statements(self, case: BenchmarkCase) -> int:
        """Return the number of statements of the product, including BEGIN and COMMIT."""
        return len(self._plan["cases"][case.name]["statements"])


def product(env: Mapping[str, str], plan: Plan) -> Program:
    return Program(
        OURS, partial(serving, PRODUCT, env), contains_text, _visit(plan, plan.service_key)
    )


def bare(env: Mapping[str, str], plan: Plan) -> Program:
    command = ("-m", "benchmarks.bare", str(plan.file), "127.0.0.1", "{port}")
    return Program(BARE, partial(serving, command, env), partial(is_replayed, plan.statements))


def peer(env: Mapping[str, str], plan: Plan) -> Program:
    own = {**beside(env, "peer", 2), "DJANGO_SETTINGS_MODULE": "benchmarks.peer.settings"}
    command = ("-m", "benchmarks.peer", str(plan.file), "127.0.0.1", "{port}")
    return Program(PEER, partial(serving, command, own), has_same_fields, _visit(plan))


def earlier(env: Mapping[str, str], plan: Plan, base: Checkout) -> Program:
    """Return the product at an earlier commit, on a database of its own."""
    # Until WEB_PROCESSES, a web process had a pool of connections only if it was set.
    pool = {"DATABASE_POOL": "true"} if "DATABASE_URL" in env else {}
    own = {**beside(env, "base", 1), **pool, "PYTHONPATH": str(base.folder)}
    manage(base, own, "migrate", "-v0")
    key = manage(base, own, "create_service_key", "benchmark", "--scope", "sessions").strip()
    serve = partial(running, [base.python, *PRODUCT], own, base.folder)
    return Program(base.commit, serve, has_same_fields, _visit(plan, key))


def better_auth(env: Mapping[str, str]) -> Program:
    own = {**beside(env, "better_auth", 0), "NODE_ENV": "production"}
    command = ("node", "server.mjs", str(Path(own["DATA_DIR"], "db.sqlite3")), "{port}")
    serve = partial(running, command, own, _BETTER_AUTH)
    return Program(BETTER_AUTH, serve, contains_text, BetterAuthVisitors)


def can_run_better_auth(env: Mapping[str, str]) -> bool:
    """Say whether Better Auth is installed, and this is the deployment on SQLite that it is compared with."""
    installed = bool(shutil.which("node")) and (_BETTER_AUTH / "node_modules").is_dir()
    return installed and "DATABASE_URL" not in env


def record(env: Mapping[str, str]) -> Plan:
    """Create the product's database, and record the statements of its requests."""
    command = [sys.executable, "-m", "benchmarks.record", env["DATA_DIR"]]
    subprocess.run(command, cwd=ROOT, env=env, check=True)  # noqa: S603  (our own command line)
    return Plan(env)


def manage(base: Checkout, env: Mapping[str, str], *arguments: str) -> str:
    """Run `manage.py` of a commit and return its output. Raises RuntimeError with its errors."""
    done = subprocess.run(  # noqa: S603  (our own command line)
        [base.python, "manage.py", *arguments],
        cwd=base.folder, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"manage.py {arguments[0]} of {base.commit}: {done.stderr}")
    return done.stdout


def _visit(plan: Plan, service_key: str = "") -> Callable[[int, int], Visitors]:
    return lambda port, count: ApiVisitors(port, plan.form, count, service_key)

"""`python -m tests [check|soak] [pytest arguments]`: what ./test runs.

check   every static check, the front end, then the fast tests on SQLite
(none)  the same, but all tests on SQLite, then again on PostgreSQL with Redis
soak    all tests on both databases, with the campaigns at full counts
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests import node, postgres, redis_server

PYTHON = sys.executable
BIN = Path(PYTHON).parent
ROOT = Path(__file__).resolve().parent.parent
STATIC_CHECKS: dict[str, Sequence[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "types": [BIN / "mypy"],
    "layers": [BIN / "lint-imports"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "settings": [PYTHON, "manage.py", "check"],
}
# One more than the cores of a small machine: tests wait a good deal, for servers and browsers.
WORKERS = ["-n", "3", "--dist", "worksteal"]
# The demo page too, so that no two tests build it at the same time.
FRONT_END_BUILD = node.shell("front_build")
FRONT_END: dict[str, Sequence[str]] = {
    "front end, checks": ["npm", "--prefix", "frontend", "run", "check"],
    "front end, tests": ["npm", "--prefix", "frontend", "test"],
}


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments ask for; return the exit code of the first thing that fails."""
    mode = arguments[0] if arguments and arguments[0] in ("check", "soak") else ""
    extra = list(arguments[1:] if mode else arguments)
    with tempfile.TemporaryDirectory(prefix="maria-check-") as data:
        plain = {"DATA_DIR": data, "ENV_FILE": os.devnull}
        for title, command in STATIC_CHECKS.items():
            if code := _run(title, command, plain):
                return code
        if code := _check_schema(Path(data), plain):
            return code
    if code := _check_front_end():
        return code
    if mode == "check":
        return _pytest("fast tests, SQLite", ["-m", "not slow", *extra], {})
    soak = {"SOAK": "1"} if mode == "soak" else {}
    return _pytest("tests, SQLite", extra, soak) or _on_postgres(extra, soak)


def _on_postgres(extra: Sequence[str], env: Mapping[str, str]) -> int:
    if postgres.find_programs() is None:
        print(f"\nSKIPPED: the tests on PostgreSQL. To run them: {postgres.INSTALL_HINT}")
        return 1 if os.environ.get("CI") else 0
    if not redis_server.is_installed():
        print(f"\nSKIPPED: the tests with Redis. To run them: {redis_server.INSTALL_HINT}")
        if os.environ.get("CI"):
            return 1
    with postgres.running() as url, _redis() as cache:
        title = "tests, PostgreSQL with Redis" if cache else "tests, PostgreSQL"
        return _pytest(title, ["-m", "not once", *extra], {**env, **cache, "DATABASE_URL": url})


@contextmanager
def _redis() -> Iterator[dict[str, str]]:
    """Run a Redis, if there is one, and yield the variables that make tests use it."""
    if not redis_server.is_installed():
        yield {}
        return
    with redis_server.serving() as server:
        yield {"TEST_REDIS_URL": server.url}


def _check_schema(folder: Path, env: Mapping[str, str]) -> int:
    fresh = folder / "openapi.yaml"
    command: list[str | Path] = [
        PYTHON,
        "manage.py",
        "spectacular",
        "--validate",
        "--fail-on-warn",
        "--file",
        fresh,
    ]
    if code := _run("schema", command, env):
        return code
    if fresh.read_text() != (ROOT / "docs" / "openapi.yaml").read_text():
        print("docs/openapi.yaml is not what the code says: run `make schema` and read the change.")
        return 1
    return 0


def _check_front_end() -> int:
    if not node.is_installed():
        print(f"\nSKIPPED: the front end. To check it, {node.INSTALL_HINT}.")
        return 1 if os.environ.get("CI") else 0
    if code := _run("front end, packages and demo page", FRONT_END_BUILD, {}):
        return code
    # Side by side: either keeps one core busy. Each is told when it is done.
    running = {
        title: subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for title, command in FRONT_END.items()
    }
    for title, process in running.items():
        told, _ = process.communicate()
        print(f"\n== {title}\n{told}", flush=True)
    return max(process.returncode for process in running.values())


def _pytest(title: str, arguments: Sequence[str], env: Mapping[str, str]) -> int:
    return _run(title, [PYTHON, "-m", "pytest", "-q", *WORKERS, *arguments], env)


def _run(title: str, command: Sequence[str | Path], env: Mapping[str, str]) -> int:
    print(f"\n== {title}", flush=True)
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

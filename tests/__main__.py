"""`python -m tests [check|soak [--part N]|cluster|upgrade|next] [pytest arguments]`: what ./test runs.

check   every static check, the front end, then the fast tests on SQLite
(none)  the same, but all tests on SQLite, then those marked `both` on PostgreSQL with Redis
soak    all tests on both databases, with the campaigns at full counts; with --part one part of them
cluster the short form of `make cluster-faults`
upgrade this version and the previous one on one database under load (tests/upgrade.py)
next    install, build and visit the example with Next.js (tests/browser/next_example.py)

At the end it prints the tests for each database, how long each step took, and
the processor time of all processes.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import node, postgres, redis_server, scratch, soak, usage

PYTHON = sys.executable
BIN = Path(PYTHON).parent
ROOT = Path(__file__).resolve().parent.parent
SCHEMA_OF: list[str | Path] = [BIN / "check-jsonschema", "--builtin-schema"]
STATIC_CHECKS: dict[str, Sequence[str | Path]] = {
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "types": [BIN / "mypy"],
    "layers": [BIN / "lint-imports"],
    "migrations": [PYTHON, "manage.py", "makemigrations", "--check", "--dry-run"],
    "landed migrations": [PYTHON, "scripts/check_migrations.py"],
    "settings": [PYTHON, "manage.py", "check"],
    "words": [PYTHON, "scripts/check_words.py"],
    "sizes": [PYTHON, "scripts/sizes.py"],
    "workflow": [*SCHEMA_OF, "vendor.github-workflows", ".github/workflows/ci.yml"],
    "dependency updates": [*SCHEMA_OF, "vendor.dependabot", ".github/dependabot.yml"],
}
# Twice the cores of a small machine, because tests often wait for servers and browsers.
WORKERS = ["-n", "4", "--dist", "worksteal"]
CLUSTER = [PYTHON, "-m", "tests.cluster", "--faults", "--short"]
UPGRADE = [PYTHON, "-m", "tests.upgrade"]
NEXT_EXAMPLE = ["tests/browser/next_example.py", "-n", "0", "-rs"]
# Builds the demo page once, so that two tests do not build it at the same time.
FRONT_END_BUILD = node.shell("front_build")
FRONT_END: dict[str, Sequence[str]] = {
    "front end, checks": ["npm", "--prefix", "frontend", "run", "check"],
    "front end, tests": ["npm", "--prefix", "frontend", "test"],
}


@dataclass
class Step:
    """A finished step, with its seconds and its number of tests."""

    title: str
    wall: float
    processor: float
    tests: int = 0


_steps: list[Step] = []
_START = time.monotonic()


def main(arguments: Sequence[str]) -> int:
    """Run the steps for the arguments; return the exit code of the first failure."""
    scratch.begin_run()
    # Without byte code every worker and server would compile all modules again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return usage.measured(lambda: _run_and_report(arguments))


def _run_and_report(arguments: Sequence[str]) -> int:
    try:
        if arguments and arguments[0] == "soak":
            return _soak(arguments[1:])
        if arguments and arguments[0] == "cluster":
            return _run("cluster, the faults of the short form", CLUSTER, {})
        if arguments and arguments[0] == "upgrade":
            return _run("upgrade from the previous version, and back", UPGRADE, {})
        if arguments and arguments[0] == "next":
            return _pytest("example with Next.js", NEXT_EXAMPLE, {})
        if arguments and arguments[0] == "check":
            return _check() or _pytest("fast tests, SQLite", ["-m", "not slow", *arguments[1:]], {})
        return (
            _check()
            or _pytest("tests, SQLite", arguments, {})
            or _on_postgres(["-m", "both", *arguments], {})
        )
    finally:
        _report()


def _soak(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests soak")
    parser.add_argument("--part", type=int, choices=range(1, len(soak.PARTS) + 1))
    options, extra = parser.parse_known_args(arguments)
    chosen = [options.part] if options.part else range(1, len(soak.PARTS) + 1)
    for number in chosen:
        part = soak.PARTS[number - 1]
        title = f"soak, part {number} of {len(soak.PARTS)}: {part.title}"
        print(f"\n== {title}", flush=True)
        if code := _soak_part(part, title, extra):
            return code
    return 0


def _soak_part(part: soak.Part, title: str, extra: Sequence[str]) -> int:
    env = {"SOAK": "1"}
    if part.script:
        command = ["npm", "--prefix", "frontend", "run", part.script]
        return _build_front_end() or (_run(title, command, env) if node.is_installed() else 0)
    if part.on_postgresql:
        return _on_postgres([*part.selection(), "-m", "both", *extra], env)
    return _pytest(title, [*part.selection(), *extra], env)


def _check() -> int:
    if code := _build_front_end():
        return code
    # In parallel, because neither keeps more than one core busy for long.
    with _front_end_in_background() as finish, tempfile.TemporaryDirectory(prefix="maria-") as data:
        return _check_statically(Path(data)) or finish()


def _on_postgres(arguments: Sequence[str], env: Mapping[str, str]) -> int:
    if postgres.find_programs() is None:
        print(f"\nSKIPPED: the tests on PostgreSQL. To run them: {postgres.INSTALL_HINT}")
        return 1 if os.environ.get("CI") else 0
    if not redis_server.is_installed():
        print(f"\nSKIPPED: the tests with Redis. To run them: {redis_server.INSTALL_HINT}")
        if os.environ.get("CI"):
            return 1
    with postgres.running() as url, _redis() as cache:
        title = "tests, PostgreSQL with Redis" if cache else "tests, PostgreSQL"
        return _pytest(title, arguments, {**env, **cache, "DATABASE_URL": url})


@contextmanager
def _redis() -> Iterator[dict[str, str]]:
    """Start Redis if it is installed; yield the variables that make tests use it."""
    if not redis_server.is_installed():
        yield {}
        return
    with redis_server.serving() as server:
        yield {"TEST_REDIS_URL": server.url}


def _check_statically(data: Path) -> int:
    plain = {"DATA_DIR": str(data), "ENV_FILE": os.devnull}
    for title, command in STATIC_CHECKS.items():
        if code := _run(title, command, plain):
            return code
    return _check_schema(data, plain)


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
        print("docs/openapi.yaml is out of date. Run `make schema` and review the change.")
        return 1
    return 0


def _build_front_end() -> int:
    if node.is_installed():
        return _run("front end, packages and demo page", FRONT_END_BUILD, {})
    print(f"\nSKIPPED: the front end. To check it, {node.INSTALL_HINT}.")
    return 1 if os.environ.get("CI") else 0


@contextmanager
def _front_end_in_background() -> Iterator[Callable[[], int]]:
    """Run the steps of the front end in the background; stop them at the end.

    Yields a function that waits for them, prints their output and returns the exit code.
    """
    steps = FRONT_END if node.is_installed() else {}
    with ExitStack() as files:
        outputs = {title: files.enter_context(tempfile.TemporaryFile("w+")) for title in steps}
        running = {
            title: subprocess.Popen(
                command,
                cwd=ROOT,
                stdout=outputs[title],
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            for title, command in steps.items()
        }

        def finish() -> int:
            for title, process in running.items():
                process.wait()
                outputs[title].seek(0)
                print(f"\n== {title}\n{outputs[title].read()}", flush=True)
            return max((process.returncode for process in running.values()), default=0)

        try:
            yield finish
        finally:
            for process in running.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)  # npm and its children
                    process.wait()


def _pytest(title: str, arguments: Sequence[str], env: Mapping[str, str]) -> int:
    """Run tests with their own folder for databases; store how many ran."""
    run = Path(os.environ[scratch.VARIABLE])
    count = run / "count"
    count.unlink(missing_ok=True)
    own = {"MARIA_TEST_PASS": f"pass-{len(_steps)}", "MARIA_TEST_COUNT": str(count)}
    code = _run(title, [PYTHON, "-m", "pytest", "-q", *WORKERS, *arguments], {**env, **own})
    if count.exists():
        _steps[-1].tests = int(count.read_text())
    return code


def _run(title: str, command: Sequence[str | Path], env: Mapping[str, str]) -> int:
    print(f"\n== {title}", flush=True)
    start, used = time.monotonic(), usage.children_seconds()
    code = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, check=False).returncode
    _steps.append(Step(title, time.monotonic() - start, usage.children_seconds() - used))
    return code


def _report() -> None:
    print(f"\n== {'time of each step':<40}{'wall':>8}{'processor':>11}{'tests':>7}")
    for step in _steps:
        line = (
            f"   {step.title:<40}{step.wall:>6.0f} s{step.processor:>9.0f} s{step.tests or '':>7}"
        )
        print(line)
    print(f"   {'total':<40}{time.monotonic() - _START:>6.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

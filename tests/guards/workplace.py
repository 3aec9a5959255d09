"""A copy of the tree in which guards are tried, and the suites that run in it.

No byte code is written: Python compares its time in whole seconds and its size
with the source, so it could run the code of the previous guard.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from xml.etree import ElementTree

from tests import node, postgres, scratch, watchdog
from tests.guards.guard import Guard, Suite

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 900
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", "var", "dist", "coverage", "__pycache__", ".*_cache",
    ".hypothesis", ".env",
)  # fmt: skip
# The start of the message of a failed assertion.
_ASSERTIONS = ("assert", "AssertionError", "Locator expected", "expect(")
_ASSERTION_TYPES = ("AssertionError", "TestingLibraryElementError")


class Colour(StrEnum):
    """The result of a suite: RED only if an assertion failed in a test."""

    GREEN = "green"
    RED = "red"
    BROKEN = "broken"


class Workplace:
    """A copy of the tree. One guard at a time changes it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        shutil.copytree(ROOT, self.root, ignore=_LEFT_OUT)
        (self.root / ".venv").symlink_to(ROOT / ".venv")
        _link_packages(ROOT / "frontend" / "node_modules", self.root / "frontend" / "node_modules")

    @contextmanager
    def changed_by(self, guard: Guard) -> Iterator[None]:
        """Apply the change of a guard inside the block; raises OutOfDate."""
        file = guard.find(self.root)
        before = file.read_text()
        file.write_text(before.replace(guard.text, guard.replacement))
        try:
            yield
        finally:
            file.write_text(before)

    def run(self, suite: Suite) -> tuple[Colour, str]:
        """Run a suite with a database and temporary files of its own; return its colour, and why."""
        with (
            tempfile.TemporaryDirectory(
                prefix="run-", dir=scratch.fast_folder(), ignore_cleanup_errors=True
            ) as name,
            ExitStack() as servers,
        ):
            folder = Path(name)
            folder.chmod(0o711)  # PostgreSQL, as another user, passes through
            env = {
                **os.environ, scratch.VARIABLE: name, "PYTHONDONTWRITEBYTECODE": "1", "CI": "1",
            }  # fmt: skip
            if suite.postgresql:
                env["DATABASE_URL"] = servers.enter_context(postgres.running())
            if suite.tests[0].startswith(
                "tests/browser/"
            ):  # a site looks for the page as it starts
                code, output = _run(node.shell("front_build"), self.root, env)
                if code:
                    return Colour.BROKEN, f"the demo page cannot be built: {output.strip()[-300:]}"
            report = folder / "report.xml"
            command, place = _command(self.root, suite, report)
            code, output = _run(command, place, env)
            for pid in watchdog.leftovers(folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return judge(code, report, output)


def judge(code: int | None, report: Path, output: str = "") -> tuple[Colour, str]:
    """Read the exit code (None after a time-out) and the JUnit report of a run."""
    last_lines = " / ".join(output.strip().splitlines()[-3:])
    if code == 0:
        return Colour.GREEN, "all passed"
    if code != 1 or not report.exists():
        return Colour.BROKEN, f"exit code {code}: {last_lines}"
    failures = [
        (case.get("name", ""), failure)
        for case in ElementTree.parse(report).iter("testcase")
        for failure in case.findall("failure")
    ]
    for name, failure in failures:
        if _is_assertion(failure):
            return Colour.RED, name
    why = "; ".join(f"{name}: {failure.get('message', '')[:200]}" for name, failure in failures)
    return Colour.BROKEN, why or last_lines


def _is_assertion(failure: ElementTree.Element) -> bool:
    message = failure.get("message", "")
    if message.startswith("Failed: "):  # a test that reports several cases
        # The message is shortened, the text is complete.
        return "DID NOT RAISE" in message or "\nAssertionError" in (failure.text or "")
    return message.startswith(_ASSERTIONS) or failure.get("type") in _ASSERTION_TYPES


def _command(root: Path, suite: Suite, report: Path) -> tuple[list[str | Path], Path]:
    if suite.tests[0].startswith("frontend/"):
        vitest = root / "frontend" / "node_modules" / ".bin" / "vitest"
        names = [test.removeprefix("frontend/") for test in suite.tests]
        reporters = ["--reporter=default", "--reporter=junit", f"--outputFile.junit={report}"]
        only = ["-t", suite.only] if suite.only else []
        return [vitest, "run", *reporters, *only, *names], root / "frontend"
    only = ["-k", suite.only] if suite.only else []
    if not suite.slow:
        only += ["-m", "not slow"]
    options = ["-q", "--maxfail=5", "--tb=line", f"--junitxml={report}", *only]
    return [sys.executable, "-m", "pytest", *options, *suite.tests], root


def _run(
    command: Sequence[str | Path], folder: Path, env: dict[str, str]
) -> tuple[int | None, str]:
    with subprocess.Popen(
        command, cwd=folder, env=env, text=True, errors="replace", start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, f"no end after {TIMEOUT} s"
        return process.returncode, output


def _link_packages(source: Path, target: Path) -> None:
    """Link each package separately, because builds write files beside them."""
    target.mkdir()
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name == ".installed":
            shutil.copy(entry, target)
        elif entry.name == ".bin" or not entry.name.startswith("."):
            (target / entry.name).symlink_to(entry)

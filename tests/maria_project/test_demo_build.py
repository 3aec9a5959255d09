"""`./run` builds the demo page once, and does without it where that cannot be done."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.maria_project.server import ROOT, environment, run_quietly
from tests.node import need_node, shell

pytestmark = pytest.mark.slow

MADE = ("node_modules", "dist", "coverage", "*.tgz", "install.log")
# What ./run wants beside Python and Node.
TOOLS = ("sh", "dirname", "cat", "cksum", "find", "sort", "tail", "mkdir")
NOT_BUILT = "The demo page is not built; everything else works."
# In place of manage.py: starting the product is slow, and tests/maria_project/test_run.py shows it.
MANAGE = """
import sys
print("manage.py", *sys.argv[1:])
"""


class Checkout:
    """A copy of the product in which nothing of the front end is built yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self._programs = folder / "bin"
        self.folder.mkdir()
        self._programs.mkdir()
        for path in ROOT.iterdir():
            if path.name not in ("frontend", "run", "manage.py", ".git"):
                (self.folder / path.name).symlink_to(path)
        (self.folder / "manage.py").write_text(MANAGE)
        shutil.copy(ROOT / "run", self.folder)
        shutil.copytree(
            ROOT / "frontend", self.folder / "frontend", ignore=shutil.ignore_patterns(*MADE)
        )
        for name in TOOLS:
            program = shutil.which(name)
            assert program
            (self._programs / name).symlink_to(program)

    def install(self, name: str, script: str) -> None:
        """Put a program on the path of `./run`."""
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, **env: str) -> str:
        """Run `./run` until it starts the product; return what it printed."""
        done = subprocess.run(
            [self.folder / "run"],
            env={
                **environment(self.folder / "data", **env),
                "PATH": str(self._programs),
                "PYTHON": sys.executable,
            },
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith("manage.py serve\n"), done.stdout
        return done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_a_missing_node_is_one_sentence_and_everything_else_goes_on(checkout: Checkout) -> None:
    said = checkout.run()

    assert "Node.js 20 or newer with npm is missing" in said
    assert NOT_BUILT in said


def test_an_old_node_is_as_good_as_none(checkout: Checkout) -> None:
    checkout.install("npm", "exit 0")
    checkout.install("node", "exit 1")  # what a Node before 20 answers to the question

    assert "Node.js 20 or newer with npm is missing" in checkout.run()


@pytest.mark.parametrize(
    "env", [{"DEMO_PAGE": "false"}, {"PUBLIC_URL": "https://maria.example", "SECRET_KEY": "k" * 50}]
)
def test_a_page_no_one_wants_is_not_built_and_not_missed(
    checkout: Checkout, env: dict[str, str]
) -> None:
    said = checkout.run(**env)

    assert "Node.js" not in said
    assert NOT_BUILT not in said


def test_packages_that_cannot_be_fetched_are_one_sentence(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install("npm", "echo 'the registry does not answer'; exit 1")

    said = checkout.run()

    assert "the registry does not answer" in said
    assert "Installing frontend/package-lock.json failed: see frontend/install.log." in said
    assert NOT_BUILT in said
    assert not (checkout.folder / "frontend" / "node_modules" / ".installed").exists()


def test_a_build_that_fails_is_one_sentence_and_is_tried_again(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install(
        "npm", '[ "$1" = ci ] && exec mkdir node_modules; echo "main.tsx is wrong"; exit 1'
    )

    for expected in (True, False):
        said = checkout.run()
        assert ("Installing frontend/package-lock.json" in said) is expected
        assert "Building the demo page failed: see frontend/install.log." in said
        assert "main.tsx is wrong" in said


def test_what_is_built_is_built_again_only_after_a_change() -> None:
    need_node()
    run_quietly(shell("front_build"))
    assert run_quietly(shell("front_build; front")) == ""


def test_a_changed_source_is_built_again(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install(
        "npm",
        '[ "$1" = ci ] && exec mkdir node_modules; mkdir -p demo/dist; : >demo/dist/index.html',
    )

    assert "Building the demo page" in checkout.run()
    assert "Building" not in checkout.run()
    (checkout.folder / "frontend" / "demo" / "new.ts").write_text("export {};\n")
    said = checkout.run()
    assert "Building the demo page" in said
    assert "Installing" not in said

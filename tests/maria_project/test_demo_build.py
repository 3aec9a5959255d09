"""`./run` builds the demo page once, and works without it if the build is not possible."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.maria_project.server import ROOT, environment, run_quietly
from tests.node import need_node, shell

pytestmark = pytest.mark.slow

MADE = ("node_modules", "dist", ".next", "coverage", "*.tgz", "install.log")
# What ./run needs besides Python and Node.js.
TOOLS = ("sh", "dirname", "cat", "cksum", "find", "sort", "tail", "mkdir")
NOT_BUILT = "The demo page is not built. Everything else works."
# Replaces manage.py, because starting the product is slow; test_run.py tests that.
MANAGE = """
import sys
print("manage.py", *sys.argv[1:])
"""


class Checkout:
    """A copy of the product in which the front end is not built."""

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
        """Install a program in the PATH of `./run`."""
        program = self._programs / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, **env: str) -> str:
        """Run `./run` until it starts the product; return its output."""
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


def test_a_missing_node_is_reported_and_the_product_starts(checkout: Checkout) -> None:
    printed = checkout.run()

    assert "Node.js 20 or newer with npm is missing" in printed
    assert NOT_BUILT in printed


def test_an_old_node_is_treated_as_missing(checkout: Checkout) -> None:
    checkout.install("npm", "exit 0")
    checkout.install("node", "exit 1")  # like a Node.js before version 20

    assert "Node.js 20 or newer with npm is missing" in checkout.run()


@pytest.mark.parametrize(
    "env", [{"DEMO_PAGE": "false"}, {"PUBLIC_URL": "https://maria.example", "SECRET_KEY": "k" * 50}]
)
def test_the_page_is_not_built_where_it_is_off(checkout: Checkout, env: dict[str, str]) -> None:
    printed = checkout.run(**env)

    assert "Node.js" not in printed
    assert NOT_BUILT not in printed


def test_a_failed_installation_is_reported(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install("npm", "echo 'the registry does not answer'; exit 1")

    printed = checkout.run()

    assert "the registry does not answer" in printed
    assert "Installing frontend/package-lock.json failed. See frontend/install.log." in printed
    assert NOT_BUILT in printed
    assert not (checkout.folder / "frontend" / "node_modules" / ".installed").exists()


def test_the_packages_of_the_examples_are_not_installed(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install("npm", 'echo "npm $*"; exit 1')  # the workspaces are the examples

    assert "npm ci --no-progress --workspaces=false" in checkout.run()


def test_a_failed_build_is_reported_and_tried_again(checkout: Checkout) -> None:
    checkout.install("node", "exit 0")
    checkout.install(
        "npm", '[ "$1" = ci ] && exec mkdir node_modules; echo "main.tsx is wrong"; exit 1'
    )

    for expected in (True, False):
        printed = checkout.run()
        assert ("Installing frontend/package-lock.json" in printed) is expected
        assert "Building the demo page failed. See frontend/install.log." in printed
        assert "main.tsx is wrong" in printed


def test_an_unchanged_page_is_not_built_again() -> None:
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
    printed = checkout.run()
    assert "Building the demo page" in printed
    assert "Installing" not in printed

"""The product as it was at an earlier commit, in a folder of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deployment import ROOT

_REQUIREMENTS = "requirements.txt"


@dataclass(frozen=True)
class Checkout:
    """The files of a commit, and a Python with the packages that it requires."""

    commit: str
    folder: Path
    python: str


@contextmanager
def checkout(commit: str) -> Iterator[Checkout]:
    """Yield a commit of this repository as a git worktree, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="maria-base-") as name:
        folder = Path(name, "files")
        _run("git", "worktree", "add", "--quiet", "--detach", str(folder), commit)
        try:
            yield Checkout(commit, folder, _python(folder, Path(name, "venv")))
        finally:
            _run("git", "worktree", "remove", "--force", str(folder))


def _python(folder: Path, venv: Path) -> str:
    """Return our own Python if it has the packages of the commit, or install them into `venv`."""
    if (folder / _REQUIREMENTS).read_bytes() == (ROOT / _REQUIREMENTS).read_bytes():
        return sys.executable
    return installed(folder, venv)


def installed(folder: Path, venv: Path) -> str:
    """Install the packages that a folder requires, and no others, into `venv`; return its Python."""
    _run(sys.executable, "-m", "venv", str(venv))
    python = str(venv / "bin" / "python")
    _run(
        python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(folder / _REQUIREMENTS)
    )
    return python


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603  (our own command line)

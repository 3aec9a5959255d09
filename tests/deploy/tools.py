"""The programs of requirements-deploy.txt, which are in a folder of their own."""

import os
import subprocess
import sys

from tests.maria_project.pages import ROOT
from tests.need import missing

FOLDER = ROOT / ".venv" / "deploy"


def run_tool(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a program of that folder, or `python`; without the folder skip the test, and fail it in CI."""
    if not FOLDER.exists():
        missing("hadolint, Compose and Helm are missing: make deploy-tools")
    name, *arguments = command
    program = [sys.executable] if name == "python" else [str(FOLDER / "bin" / name)]
    return subprocess.run(
        [*program, *arguments],
        env={**os.environ, "PYTHONPATH": str(FOLDER)}, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip

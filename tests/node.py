"""Node.js, which checks, builds and tests the front end, if it is installed."""

import shutil
import subprocess
from pathlib import Path

from tests.need import missing

ROOT = Path(__file__).resolve().parent.parent
FRONTEND = ROOT / "frontend"
INSTALL_HINT = "install Node.js 20 or newer with npm (Debian 13: apt-get install nodejs npm)"


def is_installed() -> bool:
    """Return whether `./run` would find a Node.js that is new enough."""
    return subprocess.run(shell("has_node"), cwd=ROOT, check=False).returncode == 0


def shell(line: str) -> list[str]:
    """Return the command that runs a line with the functions of scripts/front.sh, in ROOT."""
    return ["sh", "-eu", "-c", f". ./scripts/front.sh; {line}"]


def need_node() -> None:
    """Skip the test if Node.js is missing; fail it in CI."""
    if not is_installed():
        missing(INSTALL_HINT)


def copy_of_frontend(folder: Path) -> Path:
    """Copy frontend/ with its packages, as `npm ci` links them, so that a test can build in it."""
    copy = folder / "frontend"
    not_copied = shutil.ignore_patterns("node_modules", "dist", ".next", "maria", "*.tgz")
    shutil.copytree(FRONTEND, copy, ignore=not_copied)
    packages = copy / "node_modules"
    (packages / "@maria").mkdir(parents=True)
    for package in (FRONTEND / "node_modules").iterdir():
        if package.name != "@maria" and not package.name.startswith("maria-example"):
            (packages / package.name).symlink_to(package)
    (packages / "@maria" / "sessions").symlink_to(copy)
    return copy

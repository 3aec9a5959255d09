"""Next versions of the product: the same code with one changed column, and its migration."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.cluster import programs
from tests.cluster.cluster import Cluster
from tests.cluster.programs import ROOT, Program

APP = "uploads_app"
_MODEL = Path(APP, "models", "run.py")
_OLD = "purged = models.PositiveBigIntegerField("
_CHANGES = {
    # Nothing but the new code can work on these tables.
    "renamed": f'{_OLD}db_column="purged_objects", ',
    # As docs/upgrading.md demands: the old code does not notice.
    "extended": f'extra = models.CharField(max_length=20, blank=True, db_default="")\n    {_OLD}',
}
_PACKAGES = (
    "maria_project",
    "demo_app",
    "backoffice_app",
    APP,
    "sessions_app",
    "audit_app",
    "common",
)


def next_version(folder: Path, change: str) -> Path:
    """Return the folder of the next version with that change; create it the first time."""
    target = folder / f"next-version-{change}"
    if not target.exists():
        for name in _PACKAGES:
            shutil.copytree(ROOT / name, target / name)
        for name in ("manage.py", "pyproject.toml"):
            shutil.copy2(ROOT / name, target / name)
        _change_column(target, _CHANGES[change])
    return target


def migrate_back(cluster: Cluster, new: Path) -> None:
    """Undo the migration of the next version."""
    names = sorted(path.stem for path in (ROOT / APP / "migrations").glob("0*.py"))
    host = cluster.web_hosts[0]
    programs.migrate(host, cluster.settings, APP, names[-1], "--verbosity", "0", code=new)


def complaints(program: Program) -> list[str]:
    """Return the different warnings and errors in a program's log, without their tracebacks."""
    lines = program.host.log.read_text().splitlines()
    entries = [json.loads(line) for line in lines if line.startswith("{")]
    bad = [entry["message"] for entry in entries if entry["level"] in ("WARNING", "ERROR")]
    return [*dict.fromkeys(message.splitlines()[0][:160] for message in bad)]


def _change_column(tree: Path, changed: str) -> None:
    model = tree / _MODEL
    text = model.read_text()
    if text.count(_OLD) != 1:
        raise RuntimeError(f"{_OLD!r} is not in {_MODEL} once: choose another column")
    model.write_text(text.replace(_OLD, changed))
    subprocess.run(
        [sys.executable, "manage.py", "makemigrations", APP, "--verbosity", "0"],
        cwd=tree, env={**os.environ, "DATA_DIR": str(tree / "data")}, check=True,
    )  # fmt: skip

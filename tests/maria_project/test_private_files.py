"""No other account of the machine may open the product's files; STORAGE_GROUP may read the store."""

import grp
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from maria_project import private_files
from tests.cases import cases
from tests.maria_project.server import MANAGE, ROOT
from tests.uploads_app.server import deployment
from uploads_app.storage.base import object_store

# A group that is not the one of our files. Only root may give a file to any group.
GROUP = next((one.gr_gid for one in grp.getgrall() if one.gr_gid not in (0, os.getgid())), None)
needs_root = pytest.mark.skipif(os.geteuid() != 0 or GROUP is None, reason="it needs root")


def rights(folder: Path) -> dict[str, str]:
    """Return the mode of a folder and of everything in it that is no symbolic link."""
    found = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    return {
        str(path.relative_to(folder.parent)): stat.filemode(path.stat().st_mode) for path in found
    }


def assert_private(folder: Path) -> None:
    """Assert that only their owner may open a folder and everything in it."""
    modes = rights(folder)
    assert len(modes) > 5
    assert {path: mode for path, mode in modes.items() if not mode.endswith("------")} == {}


def make_wide(folder: Path) -> None:
    """Give everybody every right on a folder and everything in it."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


@pytest.mark.slow
def test_t93_what_a_command_creates_is_private(tmp_path: Path) -> None:
    """An old folder that is open to all does not stop it. `./run` has its own test."""
    used = deployment(tmp_path / "data")
    make_wide(used.data)
    done = subprocess.run(
        [*MANAGE, "cleanup_orphans"],
        env=used.environment, cwd=ROOT, umask=0, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (used.data / "storage" / "marker.json").exists()
    assert_private(used.data)


def test_t93_a_start_corrects_only_what_belongs_to_the_product(
    tmp_path: Path, settings: Any
) -> None:
    settings.DATA_DIR = tmp_path / "data"
    outside = tmp_path / "outside"
    for folder in (settings.DATA_DIR / "logs", settings.DATA_DIR / "shared", outside):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (settings.DATA_DIR / "link").symlink_to(outside)
    make_wide(tmp_path)
    (settings.DATA_DIR / "shared").chmod(0o1777)
    (settings.DATA_DIR / "logs" / "file").chmod(0o444)

    private_files.restrict()

    modes = rights(tmp_path)
    name = tmp_path.name
    assert modes[f"{name}/data"] == modes[f"{name}/data/logs"] == "drwx------"
    assert modes[f"{name}/data/logs/file"] == "-r--------"
    assert modes[f"{name}/data/shared/file"] == modes[f"{name}/outside/file"] == "-rw-rw-rw-"
    assert modes[f"{name}/outside"] == "drwxrwxrwx"


def test_t93_a_file_that_cannot_be_corrected_does_not_stop_the_start(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR = tmp_path
    make_wide(tmp_path)

    def refuse(*_: Any) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchmod", refuse)
    private_files.restrict()
    assert "maria_project.W006" in [message.id for message in run_checks()]


@needs_root
@cases("is_old", [False, True])
def test_the_group_of_a_proxy_reads_the_store_and_nothing_else(
    tmp_path: Path, settings: Any, is_old: bool
) -> None:
    settings.DATA_DIR, store = tmp_path / f"{is_old}", tmp_path / f"{is_old}" / "storage"
    settings.STORAGES = {
        **settings.STORAGES,
        "uploads": {**settings.STORAGES["uploads"], "OPTIONS": {"location": store}},
    }
    if is_old:
        object_store().put("uploads/a/0.pdf", [b"old"])
    settings.DATA_DIR.mkdir(exist_ok=True)
    (settings.DATA_DIR / "db.sqlite3").touch()
    settings.STORAGE_GROUP = GROUP
    settings.FILE_UPLOAD_PERMISSIONS, settings.FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o640, 0o2750

    private_files.restrict()
    object_store().put("uploads/b/1.pdf", [b"new"])
    object_store().move("uploads/b/1.pdf", "quarantine/uploads/b/1.pdf")
    object_store().put("uploads/b/2.pdf", [b"new"])

    modes = rights(settings.DATA_DIR)
    name = settings.DATA_DIR.name
    assert modes.pop(name) == "drwx--x---"
    assert modes.pop(f"{name}/db.sqlite3") == "-rw-------"
    assert len(modes) == 8 + 2 * is_old
    assert {mode for path, mode in modes.items() if path.endswith(".pdf")} == {"-rw-r-----"}
    assert {mode for path, mode in modes.items() if not path.endswith(".pdf")} == {"drwxr-s---"}
    assert {path.stat().st_gid for path in [store, *store.rglob("*")]} == {GROUP}
    assert list(private_files.wide()) == []

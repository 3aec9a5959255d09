"""Request bodies are spooled while they arrive; leftovers of dead processes are deleted."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import pdf, spool_root, started
from tests.uploads_app.server import WAITRESS, deployment, serving
from uploads_app import tasks

HOUR = 60 * 60


def leave(folder: Path, name: str, age: int) -> Path:
    """Create a file as a killed process leaves it, last written `age` seconds ago."""
    path = folder / name
    path.write_bytes(b"half of a file")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


@pytest.mark.slow
def test_t36_web_process_sweeps_the_spool_at_start(tmp_path: Path) -> None:
    served = deployment(tmp_path / "data")
    old = leave(served.spool, "tmpold.upload.pdf", HOUR + 60)
    young = leave(served.spool, "tmpyoung.upload.pdf", HOUR - 60)
    other = leave(served.spool, "somebody-elses", 2 * HOUR)

    with serving(served, WAITRESS) as server:
        assert server.upload().status == 201

    assert [old.exists(), young.exists(), other.exists()] == [False, True, True]


@pytest.mark.both
def test_t36_scheduled_cleanup_sweeps_the_spool(db: None) -> None:
    old = leave(spool_root(), "tmpold.upload.pdf", HOUR + 60)
    young = leave(spool_root(), "tmpyoung.upload.pdf", 0)

    assert tasks.cleanup_orphans() == "completed"

    assert [old.exists(), young.exists()] == [False, True]


def test_removed_spool_is_answered_503_and_nothing_is_kept(
    db: None, settings: Any, tmp_path: Path
) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "nowhere"
    visitor = started()
    visitor.raise_request_exception = False
    response = visitor.upload(pdf(size=3_000_000))
    assert (response.status_code, response.json()["code"]) == (503, "storage_unavailable")
    assert visitor.get("/api/v1/uploads/").json()["results"] == []

"""A process killed while a large file arrives leaves a temporary file, and that is swept after an hour."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from tests.faults.crash_points import killed_at
from tests.helpers import age_path, pdf, started
from uploads_app import tasks
from uploads_app.parsers import SPOOL_AGE

pytestmark = [pytest.mark.slow, pytest.mark.once]

BODY = pdf(size=5 * 2**20)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def spool(settings: Any, tmp_path: Path) -> Path:
    """The folder where large files wait while they arrive."""
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "spool"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    return tmp_path / "spool"


def test_t36_what_a_killed_process_leaves_of_a_large_file_is_swept_after_an_hour(
    committed: None, spool: Path
) -> None:
    visitor = started()
    for _ in range(2):
        assert killed_at(2, lambda: visitor.upload(BODY))
    young, old = sorted(spool.iterdir())
    assert [path.stat().st_size for path in (young, old)] == [len(BODY), len(BODY)]
    other = spool / "somebody-elses.pdf"
    other.touch()
    age_path(other, 2 * SPOOL_AGE)
    age_path(young, SPOOL_AGE - MINUTE)
    age_path(old, SPOOL_AGE + MINUTE)

    tasks.cleanup_orphans()

    assert set(spool.iterdir()) == {young, other}
    assert visitor.upload(BODY).status_code == 201
    assert set(spool.iterdir()) == {young, other}


def test_t36_every_process_sweeps_as_it_starts(spool: Path) -> None:
    """The worker may run on another machine than the one where files arrive."""
    left = spool / "tmp5ca1ab1e.upload.pdf"
    left.touch()
    age_path(left, SPOOL_AGE + MINUTE)

    apps.get_app_config("uploads_app").ready()

    assert not left.exists()


def test_t36_the_folder_is_made_when_it_is_missing(spool: Path) -> None:
    spool.rmdir()

    apps.get_app_config("uploads_app").ready()

    assert spool.stat().st_mode & 0o777 == 0o700

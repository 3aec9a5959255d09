"""What a move leaves alone, what it refuses, and moves of large stores.

Tests that work the same with all stores use two folders.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.test import Client

from tests.uploads_app.cleanup.cleanup_support import (
    Events,
    FaultyStore,
    cleanup,
    many,
    new_key,
    settled,
)
from tests.uploads_app.cleanup.moving_support import (
    Relocation,
    both_ways,
    disk,
    folders,
    move,
    moved,
)
from uploads_app.models import UploadedFile, UploadStatus
from uploads_app.storage.base import Marker, object_store
from uploads_app.storage.keys import INCOMING, MARKER

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.django_db

STRANGE = ["uploads/notes.txt", "uploads/a\nb.pdf", "quarantine/x", "erased/who?", "uploads/é/b/c"]


def plant_strange(relocation: Relocation) -> None:
    """Write unknown files into the previous store."""
    for key in STRANGE:
        relocation.plant("previous", key)
    relocation.plant("previous", "uploads/" + b"\xff.pdf".decode(errors="surrogateescape"))


@folders
def test_unknown_files_are_reported_and_left_alone(relocation: Relocation) -> None:
    upload = relocation.upload("ours")
    plant_strange(relocation)
    relocation.during()

    result = move()

    assert result.exit_code == 0
    lines = [line for line in result.out.splitlines() if line.startswith("Left alone: ")]
    assert {line.split("  ")[0].removeprefix("Left alone: ") for line in lines} == {
        "uploads/notes.txt", r"uploads/a\nb.pdf", "quarantine/x", "erased/who?", "uploads/é/b/c",
        r"uploads/\udcff.pdf",
    }  # fmt: skip
    assert "The previous store contains none of our files" in result.out
    assert relocation.hashes("uploads_current") == {upload.key: upload.sha256}
    assert len(relocation.hashes("uploads_previous")) == len(STRANGE) + 1


@folders
def test_more_objects_than_a_page_are_moved(relocation: Relocation, settings: Any) -> None:
    relocation.upload("the first")
    settings.STORAGES = {**settings.STORAGES, "uploads": relocation.previous}
    files = many(1150)
    content = hashlib.sha256(b"0123456789").hexdigest()
    UploadedFile.objects.filter(pk__in=[file.pk for file in files]).update(sha256=content)
    relocation.during()

    result = move()

    assert result.exit_code == 0
    assert "1151 files moved" in result.out
    assert result.err == "1000 of 1151 files moved\n"
    assert relocation.hashes("uploads_previous") == {}
    assert list(relocation.hashes("uploads_current").values()).count(content) == 1150
    settled("--older-than", "0s")
    assert UploadedFile.objects.filter(status=UploadStatus.STORED).count() == 1151


@both_ways
def test_uploads_in_progress_and_objects_of_closed_files_are_reported_as_left(
    relocation: Relocation,
) -> None:
    closed = relocation.upload("closed")
    relocation.upload("kept")
    store = object_store()
    relocation.forget(closed).delete_upload(str(closed.pk))
    store.put(closed.key, [b"%PDF-1.4 late"])
    arriving = f"{INCOMING}/{uuid.uuid4()}/{uuid.uuid4()}.pdf"
    store.put(arriving, [b"%PDF-1.4 arriving"])
    relocation.during()

    document = moved()

    assert document["moved"] == 1
    assert document["next_step"] == (
        "Still in the previous store: 1 of closed files, which the cleanup moves to the trash, "
        "1 of uploads in progress. Run this command again after the next cleanup."
    )
    assert set(relocation.hashes("uploads_previous")) == {closed.key, arriving}
    settled("--older-than", "0s")
    object_store().delete(arriving)
    assert moved()["next_step"].startswith("The previous store contains none of our files")
    relocation.assert_moved()


@both_ways
def test_t55_two_urls_of_one_store_are_refused(relocation: Relocation, tmp_path: Path) -> None:
    """Moving a store to itself would delete the only copy; a link hides that it is the same."""
    upload = relocation.upload("only copy")
    relocation.current = relocation.previous
    if "location" in relocation.previous["OPTIONS"]:
        (tmp_path / "link").symlink_to(tmp_path / "old")
        relocation.current = disk(tmp_path / "link")
    relocation.during()

    result = move()

    assert result.exit_code == 3
    assert "name the same store. (one_store)" in result.err
    assert relocation.hashes("uploads_previous") == {upload.key: upload.sha256}
    relocation.assert_served()
    assert moved("--dry-run")["moved"] == 0


@folders
def test_equal_urls_give_a_warning(relocation: Relocation) -> None:
    relocation.during()
    assert "uploads_app.W002" not in [message.id for message in run_checks()]
    relocation.settings.STORAGES = {
        **relocation.settings.STORAGES,
        "uploads_current": relocation.settings.STORAGES["uploads_previous"],
    }

    assert "uploads_app.W002" in [message.id for message in run_checks()]


def refused(code: str) -> None:
    """Check that a move and a cleanup stop and change nothing but their records."""
    for result in (move("--json"), cleanup("--json")):
        assert result.exit_code == 3, result
        assert json.loads(result.out)["stop_code"] == code


@folders
def test_t55_a_current_store_of_another_deployment_is_refused(relocation: Relocation) -> None:
    upload = relocation.upload("ours")
    foreign = Marker(str(uuid.uuid4()), 7)
    relocation.plant("current", MARKER, foreign.to_bytes())
    relocation.plant("current", new_key(), b"theirs")
    relocation.during()
    kept = relocation.hashes("uploads_current")

    refused("marker_unreadable")

    assert "stores of two different databases" in move().err
    assert relocation.hashes("uploads_current") == kept
    assert relocation.hashes("uploads_previous") == {upload.key: upload.sha256}
    assert Marker.from_bytes(relocation.place("current", MARKER).read_bytes()) == foreign


@folders
def test_t55_a_current_store_with_unknown_files_is_refused(relocation: Relocation) -> None:
    upload = relocation.upload("ours")
    relocation.plant("current", new_key(), b"theirs")
    relocation.during()

    result = move()

    assert result.exit_code == 3
    assert "(store_not_empty)" in result.err
    assert not relocation.place("current", MARKER).exists()
    assert relocation.hashes("uploads_previous") == {upload.key: upload.sha256}


@folders
def test_t55_a_previous_store_that_is_not_mounted_stops_everything(
    relocation: Relocation, tmp_path: Path
) -> None:
    relocation.upload("moved"), relocation.upload("not yet")
    relocation.during()
    moved("--limit", "1")
    shutil.move(tmp_path / "old", tmp_path / "elsewhere")

    refused("marker_missing")

    assert set(UploadedFile.objects.values_list("status", flat=True)) == {UploadStatus.STORED}
    shutil.rmtree(tmp_path / "old", ignore_errors=True)
    shutil.move(tmp_path / "elsewhere", tmp_path / "old")
    assert moved()["moved"] == 1
    relocation.assert_moved()


@folders
def test_a_move_from_an_empty_previous_store_records_only_itself(
    relocation: Relocation,
) -> None:
    relocation.upload("moved")
    relocation.during()
    moved()
    written = Events()

    assert moved()["moved"] == 0

    assert written.types() == ["storage.move_began", "storage.move_completed"]


@folders
def test_t58_stores_whose_clocks_differ_stop_the_cleanup_and_degrade_health(
    relocation: Relocation, client: Client
) -> None:
    relocation.upload("ours")
    relocation.during()
    assert client.get("/health/ready").json()["parts"]["storage"] == "ok"
    relocation.settings.STORAGES = {
        **relocation.settings.STORAGES,
        "uploads_previous": {
            "BACKEND": f"{FaultyStore.__module__}.{FaultyStore.__qualname__}",
            "OPTIONS": {**relocation.previous["OPTIONS"], "clock_off": timedelta(minutes=-6)},
        },
    }

    result = cleanup("--json")

    assert result.exit_code == 3
    assert "the clocks of the two stores differ" in result.document["stop_sentence"]
    assert client.get("/health/ready").json()["parts"]["storage"] == "degraded"


@both_ways
def test_a_move_can_be_reversed_in_the_middle(relocation: Relocation) -> None:
    for number in range(4):
        relocation.upload(f"file {number}")
    relocation.during()
    moved("--limit", "2")
    relocation.upload("taken meanwhile")

    relocation.current, relocation.previous = relocation.previous, relocation.current
    relocation.during()
    relocation.assert_served()

    assert moved()["moved"] == 3
    relocation.assert_moved()
    settled("--older-than", "0s")


def test_the_settings_configure_two_stores(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "STORAGE_URL": "s3://KEY:SECRET@bucket",
        "STORAGE_PREVIOUS_URL": f"file://{tmp_path}/storage",
    }
    ask = (
        "from uploads_app.storage.base import object_store; store = object_store();"
        "print(*(type(one).__name__ for one in (store, store.current, store.previous)))"
    )

    result = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", ask],
        env=environment, cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert result.stdout == "MovingStore S3Store DiskStore\n"

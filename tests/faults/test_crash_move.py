"""A move of files to another store is killed at each step, or one of the stores fails.

Nothing is lost: every live file is served at any time, and one more run finishes
the interrupted move. A file that cannot be moved is reported and stays in place.
"""

import os
import signal
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit_app.models import AuditLog
from tests import s3_server
from tests.helpers import SOAK, age_path
from tests.processes import fork, wait_for_other_backends
from tests.uploads_app.cleanup.cleanup_support import HOUR, settled
from tests.uploads_app.cleanup.moving_support import (
    FRAME,
    MOMENTS,
    Relocation,
    both_ways,
    disk,
    folders,
    forget_connections,
    move,
    moved,
    on,
)
from uploads_app.models import StoreState
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import INCOMING, MARKER, PREFIX

pytestmark = pytest.mark.slow

KILLS = 20 if SOAK else 1
# Each step, and the prefix of the keys at which to kill.
STEPS = (
    ("current before put", f"{INCOMING}/"),  # the check for two stores
    ("current after put", f"{INCOMING}/"),
    *((moment, MARKER) for moment in FRAME),
    *((moment, f"{PREFIX}/") for moment in MOMENTS),
)
NOTHING_LEFT = "Then the previous store is no longer needed.\n"


@both_ways
@pytest.mark.timeout(3600 if SOAK else 300)
def test_t60_move_killed_at_each_step(committed: None, relocation: Relocation) -> None:
    relocation.upload("always there")
    for moment, prefix in STEPS:
        for number in range(KILLS):
            relocation.before()
            uploaded = relocation.upload(f"{moment} {prefix} {number}")
            relocation.during()
            assert killed_at(moment, prefix) == -signal.SIGKILL
            wait_for_other_backends()
            # The lease of the killed process expires.
            StoreState.objects.update(lease_holder="", lease_expires_at=None)
            relocation.assert_served(None if SOAK else uploaded)
        assert moved()["errors"] == 0
        if SOAK:
            assert move().out.endswith(NOTHING_LEFT)
    assert move().out.endswith(NOTHING_LEFT)
    relocation.assert_served()
    let_time_pass(relocation)
    settled("--older-than", "0s")
    relocation.assert_moved()
    marker = object_store().read_marker()
    assert marker is not None
    assert marker.generation == StoreState.objects.get().generation
    assert "upload.deleted" not in AuditLog.objects.values_list("event_type", flat=True)


def let_time_pass(relocation: Relocation) -> None:
    """Age the half-written files on disk."""
    for entry in (relocation.current, relocation.previous):
        if "location" in entry["OPTIONS"]:
            for path in Path(entry["OPTIONS"]["location"]).rglob("*.part"):
                age_path(path, HOUR)


def killed_at(moment: str, prefix: str) -> int:
    """Run the move in a process that is killed at that step; return its exit code."""

    def die(key: str) -> None:
        if key.startswith(prefix):
            os.kill(os.getpid(), signal.SIGKILL)

    def work(say: Callable[[str], None]) -> None:
        forget_connections()
        on[moment] = die
        move()

    child = fork(work)
    child.go()
    return child.end()[0]


@both_ways
def test_t57_damaged_copy_is_detected_and_not_served(db: None, relocation: Relocation) -> None:
    upload = relocation.upload("precious")
    relocation.during()

    def damage(key: str) -> None:
        if key != upload.key:
            return
        on.clear()
        store = object_store()
        store.current.delete(key)  # type: ignore[attr-defined]
        store.current.put(key, [b"spoilt"])  # type: ignore[attr-defined]

    on["current after put"] = damage
    result = move()

    assert result.exit_code == 1
    assert f"Not moved: {upload.key}: the copy in the current store has other bytes" in result.err
    assert relocation.hashes("uploads_previous") == {upload.key: upload.sha256}
    assert relocation.hashes("uploads_current") == {}
    relocation.assert_served()
    assert moved()["moved"] == 1
    relocation.assert_moved()


@folders
def test_t57_damaged_original_is_reported_and_kept(db: None, relocation: Relocation) -> None:
    upload, other = relocation.upload("rotten"), relocation.upload("sound")
    relocation.plant("previous", upload.key, b"rot")
    relocation.during()

    result = move()

    assert result.exit_code == 1
    assert f"Not moved: {upload.key}: the original is damaged" in result.err
    assert "1 files could not be moved and are still served from the previous store" in result.err
    assert set(relocation.hashes("uploads_previous")) == {upload.key}
    assert relocation.hashes("uploads_current") == {other.key: other.sha256}


def test_t57_failing_store_stops_the_move_and_the_next_run_continues(
    db: None, settings: Any, tmp_path: Path
) -> None:
    s3_server.need_s3()
    with s3_server.serving() as server:
        bucket = server.make(f"maria-{uuid.uuid4()}")
        entry = bucket.storages(settings)["uploads"]
        relocation = Relocation(settings, disk(tmp_path / "old"), entry)
        relocation.before()
        for number in range(3):
            relocation.upload(f"file {number}")
        relocation.during()
        puts: list[str] = []

        def fail(key: str) -> None:
            puts.append(key)
            if len(puts) == 3:  # the first call checks whether there are two stores
                server.kill()

        on["current before put"] = fail
        result = move()
        on.clear()

        assert result.exit_code == 3
        assert "Stopped: A store does not answer:" in result.err
        assert "(storage_unavailable) Fix this, then run this command again" in result.err
        stopped = AuditLog.objects.get(event_type="storage.move_stopped")
        assert (stopped.details["code"], stopped.details["moved"]) == ("storage_unavailable", 1)
        server.start()
        relocation.assert_served()
        assert moved()["moved"] == 2
        relocation.assert_moved()


@folders
def test_t57_refused_file_is_counted_and_the_others_are_moved(
    db: None, relocation: Relocation
) -> None:
    refused, others = relocation.upload("refused"), [relocation.upload(f"{n}") for n in range(2)]
    relocation.during()

    def refuse(key: str) -> None:
        if key == refused.key:
            raise OSError("no room for this one")

    on["current before put"] = refuse
    result = move()
    on.clear()

    assert result.exit_code == 1
    assert f"Not moved: {refused.key}: no room for this one" in result.err
    assert set(relocation.hashes("uploads_current")) == {upload.key for upload in others}
    relocation.assert_served()
    assert moved()["moved"] == 1
    relocation.assert_moved()


@folders
def test_t59_move_that_lost_its_lease_removes_nothing(db: None, relocation: Relocation) -> None:
    upload = relocation.upload("slow")
    relocation.during()

    def lose(key: str) -> None:
        if key == upload.key:
            StoreState.objects.update(lease_holder="another run")
            relocation.plant("current", key, b"spoilt")

    on["current after put"] = lose
    result = move()

    assert result.exit_code == 3
    assert "Another run took the lease" in result.err
    assert upload.key in relocation.hashes("uploads_current")
    assert relocation.hashes("uploads_previous") == {upload.key: upload.sha256}

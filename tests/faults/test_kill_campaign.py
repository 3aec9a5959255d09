"""Processes are killed at random moments of uploads and deletions; nothing acknowledged is lost.

Every acknowledged upload is whole, every acknowledged deletion stays, each has
one event, and the cleanup finishes the rest. `test_crash_points.py` kills at the
counted steps of every protocol; this test looks for steps that it misses.
"""

import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from audit_app.models import AuditLog
from tests.helpers import SOAK, age_path, pdf, started, store_root, stored_keys
from tests.processes import fork, wait_for_other_backends
from tests.uploads_app.cleanup.cleanup_support import HOUR, quotas_fit, settled
from uploads_app.models import IN_QUOTA, StoreState, UploadedFile, UploadStatus

pytestmark = [pytest.mark.both, pytest.mark.slow]

KILLS = 1000 if SOAK else 24
CHECK_EVERY = 20 if SOAK else 12
BODY = pdf("killed")
Say = Callable[[str], None]


@dataclass
class ExpectedState:
    """What the server acknowledged to visitors and must keep."""

    stored: dict[str, str] = field(default_factory=dict)
    requested_to_delete: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def enter(self, lines: list[str]) -> None:
        """Record what one child reported before it died."""
        for line in lines:
            match line.split(" "):
                case ["stored", upload_id, sha256]:
                    self.stored[upload_id] = sha256
                case ["deleting", upload_id]:
                    self.requested_to_delete.add(upload_id)
                case ["deleted", upload_id]:
                    self.deleted.add(upload_id)
                case _:
                    pytest.fail(line)

    def check(self) -> None:
        """Check every acknowledgement, and that rows, objects and events match."""
        rows = {str(row.pk): row for row in UploadedFile.objects.all()}
        stored, deleted = _events("upload.stored"), _events("upload.deleted")
        for upload_id, sha256 in self.stored.items():
            row = rows[upload_id]
            assert row.sha256 == sha256
            assert stored[upload_id] == 1
            if upload_id not in self.requested_to_delete:
                assert row.status == UploadStatus.STORED
        for upload_id in self.deleted:
            assert rows[upload_id].status == UploadStatus.DELETED
            assert not (store_root() / rows[upload_id].key).exists()
            assert deleted[upload_id] == 1
        for upload_id, row in rows.items():
            if row.status == UploadStatus.STORED:
                assert _sha256(row.key) == row.sha256
            assert stored[upload_id] == (
                row.status not in (UploadStatus.PENDING, UploadStatus.LAPSED)
            )
            assert deleted[upload_id] == (row.status == UploadStatus.DELETED)
        assert quotas_fit()


@pytest.mark.timeout(1800 if SOAK else 300)
def test_t34_uploads_and_deletions_killed_at_random_moments(
    committed: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.UPLOAD_MAX_FILES = 1000
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    expected_state, hit = ExpectedState(), Counter[str]()
    longest_life = _time_of_some_requests()
    began = time.monotonic()

    for number in count(1):
        assert number <= 10 * KILLS, f"the kills do not hit what they should: {hit}"
        child = fork(_upload_and_delete)
        child.go()
        session = child.next_report()
        assert not session.startswith("failed"), session
        time.sleep(dice.uniform(0, longest_life))
        child.kill()
        code, lines = child.end()
        assert code == -9, lines[-1]
        expected_state.enter(lines)
        hit.update(_unfinished(session))
        if number % CHECK_EVERY == 0:
            wait_for_other_backends()
            expected_state.check()
        # Chance decides what a kill hits, so the kills go on until enough of them hit a request.
        if (
            number >= KILLS
            and len(expected_state.stored) > KILLS / 5
            and hit["killed inside a request"] > KILLS / 10
        ):
            break

    with capsys.disabled():
        print(
            f"\n{number} kills in {time.monotonic() - began:.0f} s, seed {seed}: "
            f"{len(expected_state.stored)} uploads and {len(expected_state.deleted)} deletions acknowledged; "
            + ", ".join(f"{times}× {state}" for state, times in sorted(hit.items()))
        )
    _converge(expected_state)


def _upload_and_delete(say: Say) -> None:
    """Upload without end, and delete every other file again."""
    visitor = started()
    say(visitor.uuid)
    for number in range(10_000):
        body = BODY + f"{os.getpid()} {number}".encode()
        response = visitor.upload(body)
        assert response.status_code == 201, response.content
        upload_id = response.json()["id"]
        say(f"stored {upload_id} {_digest(body)}")
        if number % 2 == 0:
            say(f"deleting {upload_id}")
            assert visitor.delete_upload(upload_id).status_code == 204
            say(f"deleted {upload_id}")


def _time_of_some_requests() -> float:
    """Return how long a child may live, in seconds: the time of two uploads and a deletion.

    At least 60 ms; a busy machine may need far more. The requests also load modules
    that each child would have to load again.
    """
    visitor = started()
    visitor.delete_upload(visitor.upload(BODY).json()["id"])
    began = time.monotonic()
    for _ in range(2):
        visitor.delete_upload(visitor.upload(BODY).json()["id"])
    return min(3, max(0.060, time.monotonic() - began))


def _unfinished(session: str) -> list[str]:
    """Return the states of the files that a killed process has left."""
    wait_for_other_backends()
    states = []
    for row in UploadedFile.objects.filter(
        session__uuid=session, status__in=("pending", "deleting")
    ):
        path = store_root() / row.key
        half = any(path.parent.glob(f".{path.name}.*.part"))
        if row.status == UploadStatus.DELETING:
            states.append(f"deleting, object {'there' if path.exists() else 'gone'}")
        elif path.exists():
            states.append("pending, object whole")
        else:
            states.append("pending, half written" if half else "pending without bytes")
    states.append("killed inside a request" if states else "killed with every file settled")
    return states


def _converge(expected_state: ExpectedState) -> None:
    """Age everything, run the cleanup, and check that nothing is unfinished."""
    wait_for_other_backends()
    _age_everything()
    settled()
    assert settled().out.startswith("Nothing to do.")
    rows = UploadedFile.objects.all()
    assert not rows.filter(status__in=(UploadStatus.PENDING, UploadStatus.DELETING)).exists()
    assert stored_keys() == set(rows.filter(status__in=IN_QUOTA).values_list("key", flat=True))
    assert not list(store_root().rglob("*.part"))
    lapsed = _events("upload.lapsed")
    for row in rows.filter(status=UploadStatus.LAPSED):
        assert lapsed[str(row.pk)] == 1
    assert quotas_fit()
    expected_state.check()


def _age_everything() -> None:
    """Age every lease and every file of the store by an hour."""
    past = timezone.now() - HOUR
    UploadedFile.objects.filter(status=UploadStatus.PENDING).update(lease_expires_at=past)
    StoreState.objects.exclude(lease_holder="").update(lease_expires_at=past)
    for path in store_root().rglob("*"):
        if path.is_file():
            age_path(path, HOUR)


def _events(event_type: str) -> Counter[str]:
    targets = AuditLog.objects.filter(event_type=event_type).values_list("target", flat=True)
    return Counter(target.removeprefix("upload:") for target in targets)


def _sha256(key: str) -> str:
    return _digest(Path(store_root() / key).read_bytes())


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()

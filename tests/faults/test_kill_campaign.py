"""Processes are killed at any point of an upload, a deletion or a cleanup, and nothing is lost.

Every acknowledged upload is whole, every acknowledged deletion stays, each has
its one event, and the cleanup brings the rest to an end. Random kills show it
for all moments, kills at each step of the disk and the database for every one.
"""

import hashlib
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from audit_app.models import AuditLog
from tests.helpers import SOAK, age_path, pdf, started, store_root, stored_keys
from tests.processes import STEPS, fork, need_strace, wait_for_other_backends
from tests.uploads_app.cleanup_support import (
    HOUR,
    clear_store,
    many,
    quotas_fit,
    settled,
)
from uploads_app.models import HELD, Status, StoreState, UploadedFile, UploadQuota

pytestmark = pytest.mark.slow

KILLS = 1000 if SOAK else 200
CHECK_EVERY = 50
BODY = pdf("killed")
Say = Callable[[str], None]


@dataclass
class Ledger:
    """What visitors were told, which from then on must hold."""

    stored: dict[str, str] = field(default_factory=dict)
    asked_to_delete: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def enter(self, lines: list[str]) -> None:
        """Take down what one child reported before it died."""
        for line in lines:
            match line.split(" "):
                case ["stored", upload_id, sha256]:
                    self.stored[upload_id] = sha256
                case ["deleting", upload_id]:
                    self.asked_to_delete.add(upload_id)
                case ["deleted", upload_id]:
                    self.deleted.add(upload_id)
                case _:
                    pytest.fail(line)

    def check(self) -> None:
        """See that every promise holds, and that rows, objects and events agree."""
        rows = {str(row.pk): row for row in UploadedFile.objects.all()}
        stored, deleted = _events("upload.stored"), _events("upload.deleted")
        for upload_id, sha256 in self.stored.items():
            row = rows[upload_id]
            assert row.sha256 == sha256
            assert stored[upload_id] == 1
            if upload_id not in self.asked_to_delete:
                assert row.status == Status.STORED
        for upload_id in self.deleted:
            assert rows[upload_id].status == Status.DELETED
            assert not (store_root() / rows[upload_id].key).exists()
            assert deleted[upload_id] == 1
        for upload_id, row in rows.items():
            if row.status == Status.STORED:
                assert _sha256(row.key) == row.sha256
            assert stored[upload_id] == (row.status not in (Status.PENDING, Status.LAPSED))
            assert deleted[upload_id] == (row.status == Status.DELETED)
        assert quotas_fit()


@pytest.mark.timeout(1800 if SOAK else 300)
def test_t34_uploads_and_deletions_killed_at_random_points(
    committed: None, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.UPLOAD_MAX_FILES = 1000
    settings.RATE_LIMITS = {name: ["100000/m"] for name in settings.RATE_LIMITS}
    seed = random.randrange(10**6)
    dice = random.Random(seed)
    ledger, hit = Ledger(), Counter[str]()
    longest_life = _time_of_some_requests()
    began = time.monotonic()

    for number in range(KILLS):
        child = fork(_upload_and_delete)
        child.go()
        session = child.next_report()
        assert not session.startswith("failed"), session
        time.sleep(dice.uniform(0, longest_life))
        child.kill()
        code, lines = child.end()
        assert code == -9, lines[-1]
        ledger.enter(lines)
        hit.update(_unfinished(session))
        if number % CHECK_EVERY == CHECK_EVERY - 1:
            wait_for_other_backends()
            ledger.check()

    with capsys.disabled():
        print(
            f"\n{KILLS} kills in {time.monotonic() - began:.0f} s, seed {seed}: "
            f"{len(ledger.stored)} uploads and {len(ledger.deleted)} deletions acknowledged; "
            + ", ".join(f"{count}× {state}" for state, count in sorted(hit.items()))
        )
    assert len(ledger.stored) > KILLS / 5, "the children hardly got to work"
    assert hit["killed inside a request"] > KILLS / 10, "the campaign does not bite"
    assert len(hit) >= 4, "the campaign misses steps"
    _converge(ledger)


@pytest.mark.timeout(300)
def test_t34_an_upload_killed_at_each_step(committed: None) -> None:
    need_strace()
    ledger, states = Ledger(), Counter[str]()
    started().upload(BODY)

    def attempt(call: str, number: int) -> bool:
        visitor = started()

        def upload(say: Say) -> None:
            response = visitor.upload(BODY)
            assert response.status_code == 201, response.content
            say(f"stored {response.json()['id']} {_digest(BODY)}")

        killed = _killed(upload, ledger, call, number)
        states.update(_unfinished(visitor.uuid))
        ledger.check()
        return killed

    assert _at_each_step(attempt) >= 8
    assert {"pending without bytes", "pending, half written", "pending, object whole"} <= {*states}
    _converge(ledger)


@pytest.mark.timeout(300)
def test_t55_the_first_upload_of_all_killed_at_each_step(committed: None) -> None:
    """It marks the store as this database's own, and must never leave a mark that stops the cleanup."""
    need_strace()
    visitor = started()

    def upload(say: Say) -> None:
        assert visitor.upload(BODY).status_code == 201

    def attempt(call: str, number: int) -> bool:
        _forget_all_files()
        killed = _killed(upload, Ledger(), call, number)
        settled("--dry-run")
        assert visitor.upload(BODY).status_code == 201
        _converge(None, runs=1)
        return killed

    assert _at_each_step(attempt) >= 12


@pytest.mark.timeout(300)
def test_t60_a_deletion_killed_at_each_step(committed: None) -> None:
    need_strace()
    ledger, states = Ledger(), Counter[str]()

    def attempt(call: str, number: int) -> bool:
        visitor = started()
        upload_id = visitor.upload(BODY).json()["id"]
        ledger.stored[upload_id] = _digest(BODY)
        ledger.asked_to_delete.add(upload_id)

        def delete(say: Say) -> None:
            assert visitor.delete_upload(upload_id).status_code == 204
            say(f"deleted {upload_id}")

        killed = _killed(delete, ledger, call, number)
        states.update(_unfinished(visitor.uuid))
        ledger.check()
        return killed

    assert _at_each_step(attempt) >= 4
    assert {"deleting, object there", "deleting, object gone"} <= {*states}
    _converge(ledger)


@pytest.mark.timeout(300)
def test_t60_a_cleanup_killed_at_each_step(committed: None) -> None:
    """The next run ends what it began, and no file has an event twice."""
    need_strace()
    started().upload(BODY)
    live = many(1)[0]

    def attempt(call: str, number: int) -> bool:
        ripe = [
            *many(1, Status.PENDING),
            *many(1, Status.DELETING),
            *many(1, ended=timedelta(days=8)),
        ]
        late = many(1, Status.DELETED)[0]
        killed = _killed(_clean, Ledger(), call, number)
        _converge(None, runs=1)
        states = dict(UploadedFile.objects.values_list("pk", "status"))
        assert [states[upload.pk] for upload in ripe] == ["lapsed", "deleted", "deleted"]
        assert states[live.pk] == "stored"
        events = [_events(name) for name in ("upload.lapsed", "upload.deleted", "upload.deleted")]
        assert [of[str(upload.pk)] for of, upload in zip(events, ripe, strict=True)] == [1, 1, 1]
        assert _events("object.purged")[late.key] == 1
        return killed

    assert _at_each_step(attempt) >= 20


def _at_each_step(attempt: Callable[[str, int], bool]) -> int:
    """Kill before the first, second, … call of each kind, as long as there is one; return how many."""
    kills = 0
    for call in STEPS:
        # What goes to PostgreSQL is mostly reads: every third will do for each run of ./test.
        for number in range(1, 500, 3 if call == "sendto" and not SOAK else 1):
            cache.clear()
            if not attempt(call, number):
                break
            kills += 1
    return kills


def _upload_and_delete(say: Say) -> None:
    """Be a visitor who uploads for ever, and deletes every other file again."""
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
    """Return how long a child may live, in seconds: about two uploads and a deletion, 60 to 250 ms.

    The requests also load what each child would have to load anew.
    """
    visitor = started()
    visitor.delete_upload(visitor.upload(BODY).json()["id"])
    began = time.monotonic()
    for _ in range(2):
        visitor.delete_upload(visitor.upload(BODY).json()["id"])
    return min(0.250, max(0.060, time.monotonic() - began))


def _clean(say: Say) -> None:
    settled()


def _killed(work: Callable[[Say], None], ledger: Ledger, call: str, number: int) -> bool:
    """Do `work` in a process that is killed before that call; False if it does not come to it."""
    child = fork(work)
    child.kill_before(call, number)
    child.go()
    code, lines = child.end()
    assert code in (0, -9), lines
    wait_for_other_backends()
    ledger.enter(lines)
    return code == -9


def _forget_all_files() -> None:
    """Make the deployment as new, but for its sessions."""
    for model in (UploadedFile, UploadQuota, StoreState):
        model._base_manager.all().delete()
    clear_store()


def _unfinished(session: str) -> list[str]:
    """Say in which states a killed process has left the files of its session."""
    wait_for_other_backends()
    states = []
    for row in UploadedFile.objects.filter(
        session__uuid=session, status__in=("pending", "deleting")
    ):
        path = store_root() / row.key
        half = any(path.parent.glob(f".{path.name}.*.part"))
        if row.status == Status.DELETING:
            states.append(f"deleting, object {'there' if path.exists() else 'gone'}")
        elif path.exists():
            states.append("pending, object whole")
        else:
            states.append("pending, half written" if half else "pending without bytes")
    states.append("killed inside a request" if states else "killed with every file settled")
    return states


def _converge(ledger: Ledger | None, runs: int = 2) -> None:
    """Let time pass, run the cleanup, and see that nothing is left of what was unfinished."""
    wait_for_other_backends()
    _age_everything()
    for _ in range(runs):
        settled()
    if runs > 1:
        assert settled().out.startswith("Nothing to do.")
    rows = UploadedFile.objects.all()
    assert not rows.filter(status__in=(Status.PENDING, Status.DELETING)).exists()
    assert stored_keys() == set(rows.filter(status__in=HELD).values_list("key", flat=True))
    assert not list(store_root().rglob("*.part"))
    lapsed = _events("upload.lapsed")
    for row in rows.filter(status=Status.LAPSED):
        assert lapsed[str(row.pk)] == 1
    assert quotas_fit()
    if ledger is not None:
        ledger.check()


def _age_everything() -> None:
    """Set back every lease, and the time of every file of the store, by an hour."""
    past = timezone.now() - HOUR
    UploadedFile.objects.filter(status=Status.PENDING).update(lease_expires_at=past)
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

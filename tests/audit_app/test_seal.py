"""Sealing: each committed row gets into exactly one batch, and the heads are one chain."""

import random
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from audit_app.models import AuditLog, SealBatch, SealHead
from audit_app.seal import keys, rows, sealer
from audit_app.seal.heads import parse
from audit_app.seal.problems import SealProblem
from tests.audit_app.seal_support import check_chain, ids_of, use_key, write_row, write_rows
from tests.faults.crash_points import ON_DISK, everywhere, killed_at
from tests.helpers import SOAK, at_once

pytestmark = pytest.mark.both

WRITERS, SEALERS = 8, 4
ROUNDS = 100 if SOAK else 12


@pytest.fixture(autouse=True)
def key(db: None, settings: Any, tmp_path: Path) -> None:
    use_key(settings, tmp_path)


def seal() -> None:
    call_command("seal_audit", verbosity=0)


def test_t45_a_run_makes_one_batch_for_each_class_and_one_head() -> None:
    write_rows(10)
    seal()
    head = parse(SealHead.objects.get().text)
    # The event about the key is of a class of its own.
    assert {name: batch.count for name, batch in head.batches.items()} == {
        "erasure": 1, "ordinary": 6, "refusal": 2, "security": 2,
    }  # fmt: skip
    check_chain()
    write_rows(3)
    seal()
    seal()
    assert SealHead.objects.count() == 2
    check_chain()


def test_the_schedule_waits_five_minutes_or_for_enough_rows(monkeypatch: Any) -> None:
    write_rows(3)
    assert len(sealer.seal_if_due()) == 1
    write_rows(3)
    assert sealer.seal_if_due() == []
    monkeypatch.setattr(sealer, "HEAD_ROWS", 3)
    assert len(sealer.seal_if_due()) == 1
    write_rows(1)
    last = SealHead.objects.get(number=2).sealed_at
    assert not sealer.is_due(last)
    assert sealer.is_due(last + sealer.INTERVAL)
    seal()
    assert not sealer.is_due(last + sealer.INTERVAL)
    assert sealer.is_due(timezone.now() + sealer.EMPTY_HEAD_AFTER)


@pytest.mark.usefixtures("committed")
def test_t46_four_sealers_and_eight_writers_make_one_chain(settings: Any, tmp_path: Path) -> None:
    """Writers commit late and in any order, and roll back every fourth transaction."""
    finished = threading.Semaphore(0)

    def work(number: int) -> None:
        dice = random.Random(number)
        if number >= WRITERS:
            while not finished.acquire(timeout=0.01):
                seal()
            return
        try:
            for at in range(ROUNDS):
                with suppress(ZeroDivisionError), transaction.atomic():
                    write_row(at, uuid.uuid4())
                    write_row(at + 1, uuid.uuid4())
                    if dice.random() < 0.25:
                        raise ZeroDivisionError
        finally:
            finished.release()

    at_once(WRITERS + SEALERS, work)
    seal()
    assert AuditLog.objects.count() > WRITERS * ROUNDS
    check_chain()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="ids of SQLite commit in order")
@pytest.mark.usefixtures("committed")
def test_t45_a_late_commit_gets_into_a_later_batch() -> None:
    written, may_commit = threading.Event(), threading.Event()
    late: list[int] = []

    def slow() -> None:
        with transaction.atomic():
            late.append(write_row(0, uuid.uuid4()).pk)
            written.set()
            may_commit.wait(60)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    written.wait(60)
    write_rows(3)
    seal()
    check_chain(complete=False)
    write_rows(3)
    seal()
    may_commit.set()
    thread.join()
    seal()
    check_chain()
    assert late[0] in set(ids_of(SealBatch.objects.order_by("-number")[0]))


@pytest.mark.slow
@pytest.mark.usefixtures("committed")
def test_t45_killed_at_every_step_of_sealing(monkeypatch: Any) -> None:
    monkeypatch.setattr(sealer, "HEAD_ROWS", 7)

    def attempt(number: int) -> str:
        write_rows(10)
        point = killed_at(number, seal)
        check_chain(complete=False)
        seal()
        check_chain()
        return point

    points = everywhere(attempt, ON_DISK)
    assert points.count("commit") >= 2, points


def test_t53_a_bit_that_flips_between_reading_and_signing_is_not_signed(monkeypatch: Any) -> None:
    write_rows(5)
    read = rows.read_above

    def flipped(after: int, limit: int) -> Any:
        found = read(after, limit)
        return [*found[:-1], found[-1]._replace(text=found[-1].text.replace("r", "s", 1))]

    monkeypatch.setattr(sealer, "read_above", flipped)
    with pytest.raises(SealProblem) as refused:
        sealer.seal_all()
    assert refused.value.code == "bit_rot"
    assert not SealHead.objects.exists()


def test_a_lost_and_a_wrong_key_seal_nothing(settings: Any, tmp_path: Path) -> None:
    write_rows(1)
    pem = settings.AUDIT_SEAL_KEY_FILE.read_bytes()
    settings.AUDIT_SEAL_KEY_FILE.unlink()
    assert refusal() == "key_missing"
    settings.AUDIT_SEAL_KEY_FILE.write_text("not a key")
    assert refusal() == "key_unreadable"
    settings.AUDIT_SEAL_KEY_FILE.unlink()
    with pytest.raises(CommandError):
        call_command("create_seal_key")
    settings.AUDIT_SEAL_KEY_FILE.write_bytes(pem)
    keys_file = settings.AUDIT_SEAL_PUBLIC_KEYS_FILE
    use_key(settings, _folder(tmp_path / "other"))
    settings.AUDIT_SEAL_PUBLIC_KEYS_FILE = keys_file
    assert refusal() == "key_wrong"
    assert not SealHead.objects.exists()


def refusal() -> str:
    with pytest.raises(SealProblem) as refused:
        sealer.seal_all()
    with pytest.raises(SystemExit) as stopped:
        seal()
    assert stopped.value.code == 2
    return refused.value.code


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_t52_a_rotated_key_is_named_by_the_old_one(settings: Any) -> None:
    old = settings.AUDIT_SEAL_KEY_FILE.read_bytes()
    write_rows(2)
    seal()
    call_command("create_seal_key", "--rotate")
    write_rows(2)
    seal()
    heads = [parse(head.text) for head in SealHead.objects.order_by("number")]
    # The rows that waited, the head that names the new key, and the first of the new key.
    assert [bool(head.next_key) for head in heads] == [False, True, False]
    assert len({head.key for head in heads[:2]}) == 1
    assert keys.key_id(bytes.fromhex(heads[1].next_key)) == heads[2].key
    check_chain()
    settings.AUDIT_SEAL_KEY_FILE.write_bytes(old)
    write_rows(1)
    assert refusal() == "key_wrong"


@pytest.mark.usefixtures("committed")
@pytest.mark.slow
def test_t52_a_rotation_that_is_killed_can_be_repeated() -> None:
    def attempt(number: int) -> str:
        write_rows(1)
        point = killed_at(number, lambda: call_command("create_seal_key", "--rotate"))
        call_command("create_seal_key", "--rotate")
        write_rows(1)
        seal()
        check_chain()
        return point

    assert everywhere(attempt, 1)

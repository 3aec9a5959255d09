"""Honest histories of the log: crashes, rollbacks, late commits and erasures are no tampering."""

import random
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from audit_app.models import AuditLog
from audit_app.seal import sealer
from audit_app.seal.differences import Difference
from audit_app.seal.verification import Scope, verify
from audit_app.services import erase_emails, erase_personal, record
from sessions_app import events
from tests.audit_app.seal_support import add_row, use_key, write_row
from tests.helpers import SOAK, at_once

pytestmark = [pytest.mark.both, pytest.mark.slow, pytest.mark.timeout(7200)]

HISTORIES = 10_000 if SOAK else 300
# Histories that one verification covers, one after the other in one log.
AT_ONCE = 1 if SOAK else 10
ROUNDS = 200 if SOAK else 15
WRITERS, SEALERS, VERIFIERS = 6, 2, 2


# As on SQLite. PostgreSQL's rollback leaves the sequence as it is, and each history would wait for
# the ids of all histories before it.
_RESTART = """
    SELECT setval(pg_get_serial_sequence('audit_app_auditlog', 'id'), max(id)) FROM audit_app_auditlog
"""


class Crash(Exception):
    """The process of a history dies here."""


class History:
    """Random acts of an honest deployment, in a transaction that is rolled back at the end."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.sessions = [uuid.uuid4() for _ in range(3)]

    def run(self) -> None:
        sealer.HEAD_ROWS = self.dice.randrange(2, 9)
        acts = [
            self.write,
            self.write,
            self.rolled_back,
            self.seal,
            self.crash,
            self.erase,
            self.forget,
        ]
        for _ in range(4):
            self.dice.choice(acts)()
        sealer.seal_all()

    def write(self) -> None:
        with transaction.atomic():
            for at in range(self.dice.randrange(1, 4)):
                add_row(self.dice.randrange(5) + at, self.dice.choice(self.sessions))

    def rolled_back(self) -> None:
        with suppress(Crash), transaction.atomic():
            self.write()
            raise Crash

    def seal(self) -> None:
        sealer.seal_all()

    def crash(self) -> None:
        """Seal, and die before one of the statements that write."""
        self.write()
        with suppress(Crash), transaction.atomic(), dying(self.dice.randrange(4)):
            sealer.seal_all()

    def erase(self) -> None:
        """Erase a session, while a request of it is in progress."""
        session = self.dice.choice(self.sessions)
        erase_personal(session_uuids=[session])
        with transaction.atomic():
            record(events.ERASURE_REQUESTED, session_uuid=session, reason="visitor")
        write_row(2, session)
        if self.dice.random() < 0.5:
            with transaction.atomic():
                record(events.ERASED, session_uuid=session)
        erase_personal(session_uuids=[session])

    def forget(self) -> None:
        session = self.dice.choice(self.sessions)
        erase_emails(session_uuid=session)
        with transaction.atomic():
            record(events.CONTACT_ERASED, session_uuid=session)


@contextmanager
def dying(number: int) -> Iterator[None]:
    """Raise Crash instead of the write with this number."""
    left = [number]

    def execute(run: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE")):
            left[0] -= 1
            if left[0] < 0:
                raise Crash
        return run(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


@pytest.fixture(autouse=True)
def key(db: None, settings: Any, tmp_path: Path, monkeypatch: Any) -> None:
    use_key(settings, tmp_path)
    monkeypatch.setattr(sealer, "HEAD_ROWS", sealer.HEAD_ROWS)


@pytest.mark.usefixtures("committed")
def test_t41_no_honest_history_is_called_tampered() -> None:
    """In real transactions: thousands of savepoints in one would make each history slower."""
    for first in range(0, HISTORIES, AT_ONCE):
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute(_RESTART)
            for seed in range(first, first + AT_ONCE):
                History(random.Random(seed)).run()
            found = verify(Scope()).differences
            transaction.set_rollback(True)
        assert found == [], f"seeds from {first}"


@pytest.mark.usefixtures("committed")
def test_t45_verifying_beside_writers_and_sealers_finds_nothing(monkeypatch: Any) -> None:
    monkeypatch.setattr(sealer, "HEAD_ROWS", 20)
    sealer.seal_all()
    finished = threading.Semaphore(0)
    found: list[Difference] = []

    def work(number: int) -> None:
        dice = random.Random(number)
        if number < WRITERS:
            try:
                for at in range(ROUNDS):
                    with suppress(Crash), transaction.atomic():
                        write_row(at, uuid.uuid4())
                        if dice.random() < 0.25:
                            raise Crash
            finally:
                for _ in range(SEALERS + VERIFIERS):
                    finished.release()
            return
        for _ in range(WRITERS):
            while not finished.acquire(timeout=0.01):
                if number < WRITERS + SEALERS:
                    sealer.seal_all()
                else:
                    found.extend(verify(Scope()).differences)

    at_once(WRITERS + SEALERS + VERIFIERS, work)
    sealer.seal_all()
    assert found == []
    report = verify(Scope(), jobs=2)
    assert (report.differences, report.rows) == ([], AuditLog.objects.count())

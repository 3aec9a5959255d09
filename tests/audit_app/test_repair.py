"""Ways out for an operator: a state that was lost, and breaks with an honest cause."""

import io
import json
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from audit_app.models import AuditLog, SealBatch, SealHead, SealState
from audit_app.seal import anchors, sealer
from audit_app.seal.heads import parse
from audit_app.tasks import verify_audit
from tests.audit_app.seal_support import check_chain, ids_of, use_key, write_rows
from tests.audit_app.test_tamper import a_column, cut, delete, insert
from tests.cases import cases
from tests.databases import lift_triggers

pytestmark = pytest.mark.both


@pytest.fixture(autouse=True)
def log(db: None, settings: Any, tmp_path: Path, monkeypatch: Any) -> list[AuditLog]:
    """Sealed rows in three heads; one id is missing."""
    use_key(settings, tmp_path)
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.jsonl")
    monkeypatch.setattr(sealer, "HEAD_ROWS", 9)
    lift_triggers()
    write_rows(20)
    delete(AuditLog.objects.order_by("id")[10])
    sealer.seal_all()
    anchors.write_waiting()
    return list(AuditLog.objects.order_by("id"))


def run(command: str, *arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code, and what it wrote."""
    written, code = io.StringIO(), 0
    try:
        call_command(command, *arguments, stdout=written, stderr=written)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    except CommandError as error:
        return error.returncode, str(error)
    return code, written.getvalue()


def lost() -> None:
    SealState.objects.all().delete()


def older() -> None:
    through = parse(SealHead.objects.get(number=1).text).through
    SealState.objects.update(head=1, low_water=through)


def unreadable() -> None:
    SealState.objects.update(gaps="nonsense")


@cases("loss", [lost, older, unreadable])
def test_a_state_that_was_lost_is_rebuilt_from_heads_and_batches(loss: Any) -> None:
    loss()
    write_rows(2)
    code, text = run("seal_audit")
    assert (code, "--rebuild-state" in text) == (2, True), text
    assert run("verify_audit")[0] in (1, 2)
    code, text = run("seal_audit", "--rebuild-state")
    assert (code, "rebuilt up to head 3.\nhead 4: " in text) == (0, True), text
    check_chain()
    assert AuditLog.objects.get(event_type="seal.state_rebuilt").details["head"] == 3
    assert run("verify_audit")[0] == 0
    assert run("seal_audit", "--rebuild-state") == (0, "The state fits the heads.\nNo row waits.\n")


def test_a_row_that_waited_when_the_state_was_lost_is_sealed_on_postgresql(
    log: list[AuditLog],
) -> None:
    """On SQLite no row can be late: this one was inserted."""
    late = next(
        one.pk - 1 for one, other in zip(log[1:], log, strict=False) if one.pk > other.pk + 1
    )
    insert(log[-1], late, timedelta(0))
    lost()
    code, text = run("seal_audit", "--rebuild-state")
    if connection.vendor == "sqlite":
        assert (code, f"row_inserted at row {late}" in text) == (2, True), text
        return
    assert code == 0, text
    check_chain()
    assert late in set(ids_of(SealBatch.objects.order_by("-number")[0]))
    assert run("verify_audit")[0] == 0


def test_a_state_is_not_rebuilt_over_tampering(log: list[AuditLog]) -> None:
    place = a_column(random.Random(1), log)
    lost()
    code, text = run("seal_audit", "--rebuild-state")
    assert (code, f"column_changed at {place}" in text) == (2, True), text
    assert SealState.objects.get().head == 0


def test_a_state_is_not_rebuilt_over_missing_heads(settings: Any) -> None:
    settings.AUDIT_ANCHOR_FILE = ""
    state = SealState.objects.get()
    cut(1)
    SealState.objects.update(head=state.head, low_water=state.low_water)
    code, text = run("seal_audit", "--rebuild-state")
    assert (code, "Heads 3 to 3 are missing." in text) == (2, True), text


def replace_key() -> str:
    call_command("create_seal_key", "--replace-lost", stdout=io.StringIO())
    sealer.seal_all()
    return f"key_replaced at head {SealHead.objects.count()}"


def test_a_replaced_key_is_accepted_once_and_stays_in_the_report(
    client: Client, settings: Any
) -> None:
    first = replace_key()
    code, text = run("verify_audit")
    assert (code, f"First difference: {first}" in text) == (3, True), text
    assert run("verify_audit", "--accept", first)[0] == 2
    code, text = run("verify_audit", "--accept", first, "--reason", "The disk died")
    assert (code, f"Accepted: {first}: A lost key" in text) == (0, True), text
    assert AuditLog.objects.get(event_type="seal.break_accepted").details == {
        "difference": first, "reason": "The disk died",
    }  # fmt: skip
    assert run("verify_audit")[0] == 0
    assert verify_audit().endswith(", 1 accepted")
    # Another one is another break, and a change of the key keeps what was accepted.
    second = replace_key()
    code, text = run("verify_audit")
    assert (code, f"First difference: {second}" in text, f"Accepted: {first}" in text) == (
        3,
        True,
        True,
    )
    served = client.get("/seal/keys.json").json()
    assert served == json.loads(settings.AUDIT_SEAL_PUBLIC_KEYS_FILE.read_text())
    place = first.removeprefix("key_replaced at ")
    assert served["accepted"] == [{"code": "key_replaced", "place": place}]


def test_tampering_cannot_be_accepted(log: list[AuditLog]) -> None:
    place = a_column(random.Random(1), log)
    for name in (f"column_changed at {place}", "key_replaced at head 2"):
        code, text = run("verify_audit", "--accept", name, "--reason", "It is annoying")
        assert (code, text.startswith(f"Not accepted: {name}.")) == (2, True)
    assert run("verify_audit")[0] == 1

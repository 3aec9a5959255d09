"""Tampering by SQL, with the triggers dropped: the verification finds it, and names the place."""

import json
import random
import uuid
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from audit_app.canonical import canonical_text
from audit_app.models import AuditLog, AuditPersonal, SealBatch, SealHead, SealState
from audit_app.seal import anchors, keys, sealer
from audit_app.seal.heads import Head, hash_of, parse
from audit_app.seal.verification import Report, Scope, verify
from tests.audit_app.seal_support import use_key, write_rows
from tests.cases import cases
from tests.databases import lift_triggers
from tests.helpers import SOAK

pytestmark = [pytest.mark.both, pytest.mark.slow, pytest.mark.timeout(7200)]

TIMES = 1000 if SOAK else 20
# Tamperings of one kind that one verification finds, in rows of their own.
AT_ONCE = 1 if SOAK else 4
LOG, PERSONAL = "audit_app_auditlog", "audit_app_auditpersonal"
FEED = "audit_app_feedentry"
COLUMNS = {
    "actor": "staff:1",
    "event_type": "session.ended2",
    "outcome": "error",
    "target": "x",
    "network": "10.0.0.0/24",
    "request_id": "other",
    "occurred_at": "2026-01-01 00:00:00.5+00:00",
    "session_uuid": uuid.UUID(int=1),
    "event_id": None,
}


def sql(statement: str, *parameters: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)


def delete(row: AuditLog) -> None:
    for table, column in ((FEED, "log_id"), (PERSONAL, "log_id"), (LOG, "id")):
        sql(f"DELETE FROM {table} WHERE {column} = %s", row.pk)


def prepared(name: str, value: Any) -> Any:
    field: Any = AuditLog._meta.get_field(name)
    return field.get_db_prep_save(value, connection)


@pytest.fixture
def log(db: None, settings: Any, tmp_path: Path, monkeypatch: Any) -> list[AuditLog]:
    """Sealed rows in several heads, two missing ids among them, and two rows that are not sealed."""
    use_key(settings, tmp_path)
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.jsonl")
    monkeypatch.setattr(sealer, "HEAD_ROWS", 12)
    lift_triggers()
    write_rows(40)
    for row in AuditLog.objects.order_by("id")[20:22]:
        delete(row)
    sealer.seal_all()
    # The transaction of the test is one that may still bring the missing ids.
    SealState.objects.update(gaps="[]")
    anchors.write_waiting()
    rows = list(AuditLog.objects.select_related("personal").order_by("id"))
    write_rows(2)
    assert verify(Scope()).differences == []
    return rows


Kind = Callable[[random.Random, list[AuditLog]], str]


def a_column(dice: random.Random, rows: list[AuditLog]) -> str:
    row, name = dice.choice(rows), dice.choice(list(COLUMNS))
    value = prepared(name, _moved(row, name))
    sql(f"UPDATE {LOG} SET {name} = %s WHERE id = %s", value, row.pk)
    return f"row {row.pk}"


def _moved(row: AuditLog, name: str) -> Any:
    if name == "occurred_at":
        return row.occurred_at + timedelta(microseconds=1)
    return uuid.UUID(int=row.pk) if name == "event_id" else COLUMNS[name]


def a_text(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(rows)
    sql(f"UPDATE {LOG} SET text = %s WHERE id = %s", row.text.replace("{", "{ ", 1), row.pk)
    return batch_of(row)


def column_and_text(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(rows)
    text = canonical_text({**json.loads(row.text), "actor": "staff:9"})
    sql(f"UPDATE {LOG} SET text = %s, actor = %s WHERE id = %s", text, "staff:9", row.pk)
    return batch_of(row)


def deleted(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(rows)
    delete(row)
    return f"row {row.pk}"


def inserted_below(dice: random.Random, rows: list[AuditLog]) -> str:
    """At an id that was never used, or before all others."""
    return insert(dice.choice(rows), dice.choice([*_free(rows), 0, -7]), timedelta(0))


def _free(rows: list[AuditLog]) -> list[int]:
    taken = {row.pk for row in rows}
    return [one for one in range(rows[0].pk, rows[-1].pk) if one not in taken]


def inserted_with_an_old_time(dice: random.Random, rows: list[AuditLog]) -> str:
    return insert(dice.choice(rows), rows[-1].pk + 1000, timedelta(hours=dice.randrange(2, 9999)))


def insert(row: AuditLog, number: int, age: timedelta) -> str:
    time, event_id = row.occurred_at - age, uuid.uuid4()
    values = {**json.loads(row.text), "occurred_at": time.isoformat(), "personal": None}
    text = canonical_text({**values, "event_id": str(event_id)})
    columns = [str(f.column) for f in AuditLog._meta.concrete_fields]
    changed = {"id": number, "occurred_at": time, "event_id": event_id, "text": text}
    data = [prepared(one, changed.get(one, getattr(row, one))) for one in columns]
    marks = ", ".join(["%s"] * len(columns))
    sql(f"INSERT INTO {LOG} ({', '.join(columns)}) VALUES ({marks})", *data)
    return f"row {number}"


def swapped_texts(dice: random.Random, rows: list[AuditLog]) -> str:
    first, second = dice.sample(rows, 2)
    for row, other in ((first, second), (second, first)):
        sql(f"UPDATE {LOG} SET text = %s WHERE id = %s", other.text, row.pk)
    return f"row {min(first.pk, second.pk)}"


def swapped_ids(dice: random.Random, rows: list[AuditLog]) -> str:
    """Whole rows change places: everything fits but their order."""
    same = [row for row in rows if row.event_type == "session.created"]
    first, second = dice.sample(same, 2)
    names = ["event_id", *(n for n in COLUMNS if n != "event_id"), "text"]
    blank = prepared("event_id", uuid.uuid4())
    sql(f"UPDATE {LOG} SET event_id = %s WHERE id = %s", blank, second.pk)
    for row, other in ((first, second), (second, first)):
        values = [prepared(name, getattr(other, name)) for name in names]
        sql(
            f"UPDATE {LOG} SET {', '.join(f'{name} = %s' for name in names)} WHERE id = %s",
            *values,
            row.pk,
        )
        _personal(row.pk, other.personal)
    return batch_of(min(first, second, key=lambda row: row.pk))


def _personal(number: int, part: AuditPersonal) -> None:
    sql(
        f"UPDATE {PERSONAL} SET salt = %s, address = %s, user_agent = %s, file_name = %s, email = %s"
        " WHERE log_id = %s",
        part.salt, part.address, part.user_agent, part.file_name, part.email, number,
    )  # fmt: skip


def personal_changed(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(_with_part(rows))
    name = dice.choice(["salt", "address", "user_agent", "file_name", "email"])
    sql(f"UPDATE {PERSONAL} SET {name} = %s WHERE log_id = %s", "other", row.pk)
    return f"row {row.pk}"


def personal_swapped(dice: random.Random, rows: list[AuditLog]) -> str:
    first, second = sorted(dice.sample(_with_part(rows), 2), key=lambda row: row.pk)
    _personal(first.pk, second.personal)
    _personal(second.pk, first.personal)
    return f"row {first.pk}"


def personal_removed(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(_with_part(rows))
    sql(f"DELETE FROM {PERSONAL} WHERE log_id = %s", row.pk)
    return f"row {row.pk}"


def personal_of_no_row(dice: random.Random, rows: list[AuditLog]) -> str:
    """At an id that was never used. The foreign key is checked when the transaction ends."""
    number, part = dice.choice(_free(rows)), dice.choice(_with_part(rows)).personal
    AuditPersonal.objects.bulk_create([AuditPersonal(log_id=number, salt=part.salt, email="x")])
    return f"row {number}"


def _with_part(rows: list[AuditLog]) -> list[AuditLog]:
    return [row for row in rows if hasattr(row, "personal")]


def class_changed(dice: random.Random, rows: list[AuditLog]) -> str:
    row = dice.choice(rows)
    others = {"security", "erasure", "refusal", "ordinary", None} - {row.retention}
    value = dice.choice(sorted(others, key=str))
    sql(f"UPDATE {LOG} SET retention = %s WHERE id = %s", value, row.pk)
    return f"row {row.pk}"


def batch_changed(dice: random.Random, rows: list[AuditLog]) -> str:
    batch = dice.choice(list(SealBatch.objects.all()))
    place = f"batch {batch.pk}"
    change: dict[str, Any] = dice.choice(
        [{"root": "0" * 64}, {"count": 99}, {"ids": batch.ids + ",99999"}, {"first_id": 0}, {}]
    )
    if change:
        SealBatch.objects.filter(pk=batch.pk).update(**change)
    else:
        batch.delete()
    return place


def head_changed(dice: random.Random, rows: list[AuditLog]) -> str:
    """The text of a head, or the head itself with its batches."""
    head = dice.choice(list(SealHead.objects.all()))
    place = f"head {head.pk}"
    if dice.random() < 0.5:
        later = (head.sealed_at + timedelta(seconds=1)).isoformat()
        text = canonical_text({**json.loads(head.text), "sealed_at": later})
        SealHead.objects.filter(pk=head.pk).update(text=text)
    else:
        head.batches.all().delete()
        head.delete()
    return place


def signed_again(dice: random.Random, rows: list[AuditLog]) -> str:
    """From one head on the chain is made again, with a key whose public half is in the database."""
    folder = keys.key_path().with_name(f"thief-{dice.random()}.pem")
    thief = keys.create_key_file(folder)
    first = dice.choice(list(SealHead.objects.order_by("number")))
    previous = first.previous
    for row in SealHead.objects.filter(number__gte=first.number).order_by("number"):
        head = parse(row.text)
        text = Head(**{**vars(head), "key": thief.id, "previous": previous}).to_text()
        SealHead.objects.filter(pk=row.pk).update(
            text=text, signature=thief.sign(text), previous=previous
        )
        previous = hash_of(text)
    return f"head {first.number}"


def batch_of(row: AuditLog) -> str:
    from audit_app.seal.status import batch_of

    batch = batch_of(row)
    assert batch is not None
    return f"batch {batch.number}"


OF_ROWS: list[Kind] = [
    a_column, a_text, column_and_text, deleted, swapped_texts, personal_changed, personal_swapped,
    personal_removed, class_changed,
]  # fmt: skip
OF_LOGS: list[Kind] = [
    inserted_below, inserted_with_an_old_time, swapped_ids, personal_of_no_row, batch_changed,
    head_changed, signed_again,
]  # fmt: skip


@cases("kind", [*OF_ROWS, *OF_LOGS], ids=lambda kind: kind.__name__)
def test_t41_tampering_is_found_and_its_place_is_named(log: list[AuditLog], kind: Kind) -> None:
    dice = random.Random(kind.__name__)
    at_once = AT_ONCE if kind in OF_ROWS else 1
    for _ in range(TIMES // at_once):
        with transaction.atomic():
            places = {kind(dice, log[start::at_once]) for start in range(at_once)}
            report = verify(Scope())
            transaction.set_rollback(True)
        assert report.exit_code == 1, places
        assert places <= {one.place for one in report.differences}, (places, report.differences)
        assert not report.first.is_warning if report.first else False
    assert verify(Scope()).differences == []


def cut(number: int) -> None:
    """Cut the newest heads off, with their rows, and set the state back, as a restore does."""
    for head in SealHead.objects.order_by("-number")[:number]:
        parsed = parse(head.text)
        for row in AuditLog.objects.filter(pk__gt=parsed.after):
            delete(row)
        head.batches.all().delete()
        head.delete()
        SealState.objects.update(head=parsed.number - 1, low_water=parsed.after)


def test_t42_a_tail_that_was_cut_off_is_found_by_an_anchor(log: list[AuditLog]) -> None:
    heads = SealHead.objects.count()
    for number in range(1, 4):
        with transaction.atomic():
            cut(number)
            without = verify(Scope())
            found = list(anchors.compare_all())
            transaction.set_rollback(True)
        assert without.differences == []
        assert {one.code for one in found} == {"anchor_ahead"}
        assert [one.place for one in found][-1] == f"head {heads - number + 1}"
    assert list(anchors.compare_all()) == []


def test_t42_heads_missing_below_the_state_are_a_cut_tail(log: list[AuditLog]) -> None:
    last = SealHead.objects.order_by("-number").first()
    assert last is not None
    last.batches.all().delete()
    last.delete()
    codes = {one.code for one in verify(Scope()).differences}
    assert "tail_cut" in codes


def test_t43_a_key_in_the_database_is_ignored(log: list[AuditLog]) -> None:
    """The chain that a thief made names the thief's key in its text, and nobody trusts it."""
    with transaction.atomic():
        signed_again(random.Random(1), log)
        report: Report = verify(Scope())
        transaction.set_rollback(True)
    assert {"unknown_key"} <= {one.code for one in report.differences}


def test_t52_a_replaced_key_is_a_warning_and_a_retired_key_is_not_valid(
    log: list[AuditLog], settings: Any
) -> None:
    old = settings.AUDIT_SEAL_KEY_FILE.read_bytes()
    from django.core.management import call_command

    call_command("create_seal_key", "--replace-lost")
    write_rows(2)
    sealer.seal_all()
    report = verify(Scope())
    assert [one.code for one in report.differences] == ["key_replaced"]
    assert report.exit_code == 3
    thief = keys.load_signing_key(_file(settings.AUDIT_SEAL_KEY_FILE, old))
    row = SealHead.objects.order_by("-number")[0]
    text = Head(**{**vars(parse(row.text)), "key": thief.id}).to_text()
    SealHead.objects.filter(pk=row.pk).update(text=text, signature=thief.sign(text))
    assert "retired_key" in {one.code for one in verify(Scope()).differences}


def _file(beside: Path, content: bytes) -> Path:
    path = beside.with_name("old.pem")
    path.write_bytes(content)
    return path

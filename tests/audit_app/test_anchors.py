"""Anchors, alerts and the schedules of the seal: what is wrong is found, named and mailed."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog, SealAnchor, SealBatch, SealHead, SealState
from audit_app.seal import alerts, anchors, scheduled
from audit_app.tasks import seal_audit, verify_audit
from tests import s3_server
from tests.audit_app.seal_support import use_key, write_rows
from tests.audit_app.test_tamper import cut, sql
from tests.backoffice_app.pages import page_of
from tests.databases import lift_triggers
from tests.helpers import Visitor
from uploads_app.storage.base import object_store
from uploads_app.storage.keys import head_key


@pytest.fixture(autouse=True)
def key(db: None, settings: Any, tmp_path: Path) -> None:
    use_key(settings, tmp_path)
    settings.ALERT_EMAILS = ["ops@example.org"]
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchor.jsonl")
    write_rows(5)
    seal_audit()


def later(rows: int = 1, *, minutes: int = 6) -> None:
    """Let the schedule seal more rows, some minutes after the last head."""
    last = SealHead.objects.order_by("-number")[0].sealed_at
    with time_machine.travel(last + timedelta(minutes=minutes)):
        write_rows(rows)
        seal_audit()


def outcome(*arguments: str, capsys: Any) -> tuple[int, str]:
    code = 0
    try:
        call_command("verify_audit", *arguments)
    except SystemExit as stopped:
        code = int(str(stopped.code))
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_t42_each_head_is_in_the_store_and_in_the_file(settings: Any) -> None:
    head = SealHead.objects.get()
    with object_store().open(head_key(1)) as file:
        stored = json.loads(file.read())
    lines = Path(settings.AUDIT_ANCHOR_FILE).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [stored]
    assert stored == {"head": head.text, "signature": head.signature}
    assert mail.outbox == []


def test_t42_a_head_in_a_bucket_with_locks_cannot_be_deleted(
    s3_process: s3_server.S3Server, settings: Any
) -> None:
    bucket = s3_process.make("anchored", with_locks=True)
    # Only an administrator of this server may read what it locks.
    rights = dict.fromkeys(("access_key", "secret_key"), s3_server._ADMINISTRATOR)
    settings.STORAGES = bucket.storages(settings, **rights)
    SealAnchor.objects.all().delete()
    anchors.write_waiting()
    anchors.write_waiting()
    described = bucket.client.get_object_retention(Bucket=bucket.name, Key=head_key(1))
    assert described["Retention"]["Mode"] == "COMPLIANCE"
    assert described["Retention"]["RetainUntilDate"] > timezone.now() + timedelta(days=399)
    assert list(anchors.problems()) == []


def test_t42_a_cut_tail_is_alerted_and_named(capsys: Any) -> None:
    later()
    lift_triggers()
    cut(1)
    SealState.objects.update(verified_at=None)
    assert "anchor_ahead at head 2" in verify_audit()
    assert "(tampered)" in mail.outbox[0].subject
    assert "anchor_ahead at head 2" in mail.outbox[0].body
    code, text = outcome(capsys=capsys)
    assert (code, "First difference: anchor_ahead at head 2" in text) == (1, True)


def test_a_restored_database_that_seals_again_has_another_chain(
    settings: Any, capsys: Any, tmp_path: Path
) -> None:
    later()
    lift_triggers()
    cut(1)
    SealAnchor.objects.update(head=1)
    later()
    assert "(anchor_differs)" in mail.outbox[0].subject
    code, text = outcome("--anchor", settings.AUDIT_ANCHOR_FILE, capsys=capsys)
    assert (code, "anchor_differs at head 2" in text) == (1, True)


def test_an_anchor_that_was_restored_or_lies_is_a_warning(capsys: Any, settings: Any) -> None:
    later()
    object_store().delete(head_key(2))
    assert outcome(capsys=capsys)[0] == 3
    object_store().put(head_key(2), [b'{"head": "{}", "signature": "00"}'])
    code, text = outcome(capsys=capsys)
    assert (code, "anchor_invalid at head 2" in text) == (3, True)
    Path(settings.AUDIT_ANCHOR_FILE).write_text("nonsense\n")
    assert outcome("--anchor", settings.AUDIT_ANCHOR_FILE, capsys=capsys)[0] == 3
    assert outcome("--anchor", "/no/such/file", capsys=capsys)[0] == 2


def test_an_anchor_that_cannot_be_reached_is_alerted_and_written_later(
    settings: Any, tmp_path: Path
) -> None:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "mount" / "anchor.jsonl")
    later()
    assert "(anchor_unreachable)" in mail.outbox[0].subject
    (tmp_path / "mount").mkdir()
    later()
    assert "resolved" in mail.outbox[1].subject
    path = Path(settings.AUDIT_ANCHOR_FILE)
    assert [number for number, _ in anchors.read_file(path)] == [2, 3]


def test_the_newest_head_is_mailed_once_a_day(settings: Any, tmp_path: Path, capsys: Any) -> None:
    settings.AUDIT_ANCHOR_EMAIL = "auditor@example.org"
    later()
    later()
    assert [message.to for message in mail.outbox] == [["auditor@example.org"]]
    saved = tmp_path / "mail.jsonl"
    saved.write_text(str(mail.outbox[0].body).splitlines()[-1] + "\n")
    assert outcome("--anchor", str(saved), capsys=capsys)[0] == 0
    with time_machine.travel(timezone.now() + timedelta(days=1, hours=1)):
        anchors.write_waiting()
    assert len(mail.outbox) == 2


def test_t52_a_lost_key_is_alerted_and_a_new_one_resolves_it(settings: Any) -> None:
    settings.AUDIT_SEAL_KEY_FILE.unlink()
    later()
    assert "(key_missing)" in mail.outbox[0].subject
    call_command("create_seal_key", "--replace-lost")
    later()
    assert "resolved" in mail.outbox[1].subject


def test_t41_the_daily_verification_alerts_and_repeats_when_it_is_repaired() -> None:
    assert verify_audit() == "intact up to head 1"
    assert verify_audit() == "verified today"
    lift_triggers()
    row = AuditLog.objects.order_by("id")[2]
    sql("UPDATE audit_app_auditlog SET actor = %s WHERE id = %s", "staff:5", row.pk)
    SealState.objects.update(verified_at=None)
    assert f"column_changed at row {row.pk}" in verify_audit()
    assert "(tampered)" in mail.outbox[0].subject
    sql("UPDATE audit_app_auditlog SET actor = %s WHERE id = %s", row.actor, row.pk)
    assert verify_audit() == "intact up to head 1"
    assert "resolved" in mail.outbox[1].subject


def test_a_long_verification_takes_several_runs(monkeypatch: Any) -> None:
    for _ in range(3):
        later()
    monkeypatch.setattr(scheduled, "HEADS_AT_ONCE", 2)
    assert scheduled.verify_in_turn(0.0) == "verified up to head 0"
    assert scheduled.verify_in_turn(60) == "intact up to head 4"


def test_a_seal_or_verification_that_stops_is_alerted() -> None:
    now = timezone.now()
    assert alerts.current_problem().code == ""
    with time_machine.travel(now + timedelta(hours=3)):
        assert alerts.current_problem().code == "seal_overdue"
    SealHead.objects.update(sealed_at=now + timedelta(hours=50))
    SealState.objects.update(verified_at=now)
    with time_machine.travel(now + timedelta(hours=50)):
        assert alerts.current_problem().code == "verification_overdue"


def test_a_clock_that_was_set_back_is_a_warning(capsys: Any) -> None:
    later(minutes=90)
    later(minutes=-60)
    code, text = outcome(capsys=capsys)
    assert (code, "clock at head 3" in text) == (3, True), text


def test_t43_the_public_keys_are_served_and_no_key_is_no_verification(
    client: Client, settings: Any, capsys: Any
) -> None:
    served = client.get("/seal/keys.json").json()
    assert served == json.loads(settings.AUDIT_SEAL_PUBLIC_KEYS_FILE.read_text())
    settings.AUDIT_SEAL_PUBLIC_KEYS_FILE.unlink()
    assert client.get("/seal/keys.json").json() == {"keys": []}
    assert outcome(capsys=capsys)[0] == 2


def test_a_part_of_the_log_can_be_verified(capsys: Any) -> None:
    about = AuditLog.objects.exclude(session_uuid=None)[0].session_uuid
    later(3)
    assert "2 heads, 6 sealed rows" in outcome("--session", str(about), capsys=capsys)[1]
    tomorrow = str((timezone.now() + timedelta(days=1)).date())
    assert ", 0 sealed rows" in outcome("--since", tomorrow, capsys=capsys)[1]
    code, text = outcome("--until", tomorrow, "--jobs", "1", capsys=capsys)
    assert (code, ", 9 sealed rows" in text) == (0, True), text


def test_the_page_of_an_event_says_whether_it_is_sealed_and_verified(make_staff: Any) -> None:
    auditor = make_staff("Auditor")
    sealed = AuditLog.objects.order_by("id")[1]
    fresh = write_rows(1)[0]
    assert "sealed in batch 2, not verified yet" in _page(auditor, sealed)
    assert "not sealed yet" in _page(auditor, fresh)
    verify_audit()
    assert "sealed in batch 2, verified 0\xa0minutes ago" in _page(auditor, sealed)
    SealState.objects.update(
        verify_problem="tampered: row_missing at row 1: A sealed row is missing."
    )
    assert "sealed in batch 2, but the last verification found a difference" in _page(
        auditor, sealed
    )


def test_the_page_of_a_session_says_how_far_its_events_are_sealed(
    visitor: Visitor, make_staff: Any
) -> None:
    support = make_staff("Support")

    def seal() -> str:
        page = support.get(page_of(visitor.row)).content.decode()
        found = re.search(r'id="seal">(.*?)</p>', page)
        return found[1] if found else ""

    assert seal() == "These events are not sealed yet."
    later()
    newest = SealBatch.objects.order_by("number").last()
    sealed = f"These events are sealed up to batch {newest.pk if newest else 0}"
    assert seal() == f"{sealed}, not verified yet."
    verify_audit()
    visitor.end()
    assert seal() == f"{sealed}, verified 0\xa0minutes ago. Not sealed yet: 1 of 3."


def _page(client: Client, row: AuditLog) -> str:
    return client.get(f"/admin/audit_app/auditlog/{row.pk}/change/").content.decode()

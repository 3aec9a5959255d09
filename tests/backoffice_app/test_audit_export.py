"""Auditors export filtered events as CSV or JSON Lines, and the export is recorded.

Row 67: no cell of the CSV is a formula to a spreadsheet, and all of it reads back equal.
"""

import csv
import io
import json
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from audit_app import events, export
from audit_app.models import AuditLog
from audit_app.services import Entry, record_many
from common import csv_stream
from tests import naughty
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import Visitor, started, uploaded

EXPORT = "/admin/audit_app/auditlog/export/"
VECTORS = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1+1", "＋1", "－1", "＠A1",
    " =1", "\u00a0=1", '"=1', "'=1", "''", "'", "\ufeff=1", "\u200b=1", "\u202e=1", "%=1", "|=1",
    ";=1", ",=1", "−1", "=cmd|' /C calc'!A0", '=HYPERLINK("x")', "﹢1", "",
]  # fmt: skip


def take(client: Client, format_name: str, reason: str = "audit", **query: str) -> Any:
    """Request an export and return the response."""
    answer = client.post(EXPORT, {"format": format_name, "reason": reason}, query_params=query)
    assert answer.status_code == 200
    return answer


def text_of(answer: Any) -> str:
    """Return the text of an export."""
    return b"".join(answer.streaming_content).decode()


def read_csv(text: str) -> list[dict[str, str]]:
    """Parse an export as the documentation describes."""
    rows = csv.reader(io.StringIO(text.removeprefix(csv_stream.BOM), newline=""), strict=True)
    header, *cells = [[csv_stream.unguarded(cell) for cell in row] for row in rows]
    return [dict(zip(header, row, strict=True)) for row in cells]


def expected(log: AuditLog) -> dict[str, str]:
    """Return the expected line of an event."""
    return {
        **{name: str(getattr(log, name) or "") for name in export.COLUMNS},
        "occurred_at": log.occurred_at.isoformat(),
        "details": json.dumps(log.details, ensure_ascii=False, sort_keys=True),
    }


def record_targets(targets: list[str]) -> None:
    with transaction.atomic():
        record_many(events.STAFF_SIGNED_IN, [Entry(target=target) for target in targets])


def raw_cells(text: str) -> list[str]:
    """Return every raw cell."""
    body = io.StringIO(text.removeprefix(csv_stream.BOM), newline="")
    return [cell for row in csv.reader(body) for cell in row]


def test_t67_no_cell_starts_as_a_formula_and_each_reads_back_equal() -> None:
    for text in [*VECTORS, *naughty.strings()]:
        guarded = csv_stream.guarded(text)
        assert csv_stream.unguarded(guarded) == text
        assert not guarded or guarded[0].isalnum() or guarded[0] in "'{["


def test_t67_the_naughty_strings_in_a_csv_are_safe_and_read_back_equal(
    db: None, make_staff: Any
) -> None:
    strings = [*naughty.strings(), *VECTORS]
    record_targets(strings)
    auditor, support = make_staff("Auditor"), make_staff("Support")
    for text in strings[::25]:  # through the doors: a reason, a user agent, a file name
        visitor = Visitor(
            HTTP_USER_AGENT=text.encode("ascii", "replace").decode().replace("\n", "")
        )
        visitor.start()
        visitor.upload(name=f"{text}.pdf")
        support.post(page_of(visitor.row, "revoke"), {"reason": text or "empty"})
    logs = list(AuditLog.objects.order_by("-occurred_at", "-pk"))

    text = text_of(take(auditor, "csv"))

    assert text.startswith(csv_stream.BOM)
    assert text.endswith('"\r\n')
    for cell in raw_cells(text):
        assert not cell or cell[0].isalnum() or cell[0] in "'{["
    assert read_csv(text) == [expected(log) for log in logs]


@pytest.mark.both
def test_json_lines_are_the_canonical_texts(auditor: Client) -> None:
    record_targets(VECTORS)
    logs = AuditLog.objects.order_by("-occurred_at", "-pk")
    texts = [log.text for log in logs]
    answer = take(auditor, "jsonl")
    assert answer["Content-Type"] == "application/jsonl"
    assert text_of(answer).splitlines() == texts


def test_the_export_follows_the_filters_and_is_recorded(auditor: Client, visitor: Visitor) -> None:
    started()
    uploaded(visitor)
    wanted = AuditLog.objects.get(event_type="upload.stored")
    before = set(AuditLog.objects.values_list("pk", flat=True))

    answer = take(auditor, "csv", "a regular audit", session=visitor.uuid, type="upload.stored")

    assert [row["event_id"] for row in read_csv(text_of(answer))] == [str(wanted.event_id)]
    assert (answer["X-Export-Rows"], answer["X-Export-Cut"]) == ("1", "no")
    assert answer["Content-Disposition"].startswith('attachment; filename="audit-events-')
    (log,) = AuditLog.objects.exclude(pk__in=before)
    assert (log.event_type, log.actor) == ("staff.exported", f"staff:{auditor.user.pk}")  # type: ignore[attr-defined]
    assert str(log.session_uuid) == visitor.uuid
    assert log.details == {
        "format": "csv",
        "rows": 1,
        "filters": f"type upload.stored, session {visitor.uuid}",
        "reason": "a regular audit",
    }


def test_the_export_contains_no_personal_value(auditor: Client) -> None:
    visitor = started(lambda: Visitor(HTTP_USER_AGENT="Secret-Agent/7"))  # type: ignore[arg-type]
    visitor.identify(email="anna@mail.example")
    uploaded(visitor, name="Krankenakte.pdf")
    for format_name in export.FORMATS:
        text = text_of(take(auditor, format_name))
        for personal in ("Secret-Agent", "anna@mail", "Krankenakte", "127.0.0.1"):
            assert personal not in text


def test_a_truncated_file_says_so(auditor: Client, settings: Any) -> None:
    settings.AUDIT_EXPORT_ROWS = 5
    record_targets([str(number) for number in range(5)])
    record_targets(["newest"])
    assert "ends after the newest 5" in shown_text(auditor.get(EXPORT).content.decode())
    answer = take(auditor, "csv")
    rows = read_csv(text_of(answer))
    assert (len(rows), rows[0]["target"]) == (5, "newest")
    assert (answer["X-Export-Rows"], answer["X-Export-Cut"]) == ("5", "yes")
    assert "-newest-5.csv" in answer["Content-Disposition"]


@pytest.mark.both
def test_events_are_read_in_batches_while_streaming(
    auditor: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "BATCH", 7)
    record_targets([str(number) for number in range(30)])
    ids = [str(pk) for pk in AuditLog.objects.order_by("-pk").values_list("event_id", flat=True)]
    answer = take(auditor, "csv")
    pieces = iter(answer.streaming_content)
    first = [next(pieces) for _ in range(3)]
    record_targets(["while it is sent"])
    text = b"".join([*first, *pieces]).decode()
    assert [row["event_id"] for row in read_csv(text)] == ids


@pytest.mark.parametrize(
    ("role", "may"), [("Support", False), ("Operator", False), ("", False), ("Auditor", True)]
)
def test_t64_only_auditors_export_events(make_staff: Any, role: str, may: bool) -> None:
    client = make_staff(role)
    before = AuditLog.objects.count()
    page = client.get(EXPORT)
    assert page.status_code == (200 if may else 403)
    assert inline_code(page.content.decode()) == []
    answer = client.post(EXPORT, {"format": "csv", "reason": ""})
    assert answer.status_code == (200 if may else 403)
    if may:
        assert "Choose a reason" in shown_text(answer.content.decode())
    assert not AuditLog.objects.filter(event_type="staff.exported").exists()
    assert AuditLog.objects.exclude(event_type="staff.permission_denied").count() == before


def test_t7_a_foreign_page_cannot_export_events(make_staff: Any) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = make_staff("Auditor").cookies
    assert strict.post(EXPORT, {"format": "csv", "reason": "x"}).status_code == 403
    assert not AuditLog.objects.filter(event_type="staff.exported").exists()

"""Audit events as a file, for auditors: what is asked for, streamed, and itself an audit event."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from itertools import islice

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from audit_app import events
from audit_app.adminkit.lists import beyond, in_order
from audit_app.browser import LATEST_FIRST, Narrowing
from audit_app.models import AuditLog
from audit_app.services import record
from common import csv_stream

MAY_EXPORT = "audit_app.export_auditlog"
BATCH = 1000
COLUMNS = (
    "event_id", "occurred_at", "event_type", "outcome", "session_uuid", "target", "actor",
    "request_id", "network", "details",
)  # fmt: skip


@dataclass(frozen=True)
class Format:
    """A kind of file: its name and media type, and how rows become its text."""

    label: str
    media_type: str
    text: Callable[[Iterator[AuditLog]], Iterator[str]]


@dataclass(frozen=True)
class Extent:
    """How many rows an export holds, and whether there are more that it leaves out."""

    rows: int
    is_cut: bool


def as_csv(rows: Iterator[AuditLog]) -> Iterator[str]:
    """Yield a header and a line for each row; see common/csv_stream.py for how to read it."""

    def cells() -> Iterator[list[str]]:
        yield list(COLUMNS)
        for row in rows:
            yield _cells(row)

    return csv_stream.lines(cells())


def as_json_lines(rows: Iterator[AuditLog]) -> Iterator[str]:
    """Yield each row's canonical text, as it was written, on a line of its own."""
    return (f"{row.text}\n" for row in rows)


FORMATS = {
    "csv": Format("CSV, for a spreadsheet", "text/csv; charset=utf-8; header=present", as_csv),
    "jsonl": Format(
        "JSON Lines: each event's canonical text, as it was written",
        "application/jsonl",
        as_json_lines,
    ),
}


def extent(narrowing: Narrowing) -> Extent:
    """Say how many rows an export would hold now; no more are counted than it may hold."""
    limit = settings.AUDIT_EXPORT_ROWS
    found = narrowing.narrow(AuditLog.objects.all())[: limit + 1].count()
    return Extent(min(found, limit), found > limit)


def export(narrowing: Narrowing, *, format_name: str, reason: str) -> tuple[Extent, Iterator[str]]:
    """Record that events are taken out as a file, and return how many and the file's text.

    `narrowing` has been found valid. What is written from now on, like the
    event of this export, is not in it. The text is read as it is sent.
    """
    newest = AuditLog.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    export_extent = extent(narrowing)
    with transaction.atomic():
        record(
            events.STAFF_EXPORTED,
            session_uuid=narrowing.session_uuid,
            format=format_name,
            rows=export_extent.rows,
            filters=narrowing.summary(),
            reason=reason,
        )
    rows = narrowing.narrow(AuditLog.objects.filter(pk__lte=newest))
    return export_extent, _in_pieces(FORMATS[format_name].text(_latest(rows, export_extent.rows)))


def _in_pieces(lines: Iterator[str]) -> Iterator[str]:
    """Put lines together, because a server sends each piece by itself."""
    while piece := "".join(islice(lines, BATCH)):
        yield piece


def _latest(rows: QuerySet[AuditLog], limit: int) -> Iterator[AuditLog]:
    """Yield so many rows, newest first, and hold few of them at a time.

    In short questions and not with one cursor: outside a transaction that
    would copy the whole answer aside, past the deadline of a statement.
    """
    rest = in_order(rows, LATEST_FIRST)
    while limit > 0:
        batch = list(rest[: min(BATCH, limit)])
        yield from batch
        if len(batch) < BATCH:
            return
        limit -= BATCH
        last = batch[-1]
        rest = in_order(beyond(rows, LATEST_FIRST, last.occurred_at, last.pk), LATEST_FIRST)


def _cells(row: AuditLog) -> list[str]:
    return [
        str(row.event_id),
        row.occurred_at.astimezone(UTC).isoformat(),
        row.event_type,
        row.outcome,
        str(row.session_uuid or ""),
        row.target,
        row.actor,
        row.request_id,
        row.network,
        json.dumps(row.details, ensure_ascii=False, sort_keys=True),
    ]

"""Export of audit events: filtered, streamed, and itself an audit event."""

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
from audit_app.browser import LATEST_FIRST, AuditFilterForm
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
    label: str
    media_type: str
    text: Callable[[Iterator[AuditLog]], Iterator[str]]


@dataclass(frozen=True)
class Extent:
    """The number of rows in an export, and whether the limit cuts off more."""

    rows: int
    is_cut: bool


def as_csv(rows: Iterator[AuditLog]) -> Iterator[str]:
    """Yield a header and a line for each row; common/csv_stream.py says how to read it."""

    def cells() -> Iterator[list[str]]:
        yield list(COLUMNS)
        for row in rows:
            yield _cells(row)

    return csv_stream.lines(cells())


def as_json_lines(rows: Iterator[AuditLog]) -> Iterator[str]:
    return (f"{row.text}\n" for row in rows)


def as_json_lines_with_proofs(rows: Iterator[AuditLog]) -> Iterator[str]:
    from audit_app.seal.exports import with_proofs  # loads half of the seal

    return with_proofs(rows)


FORMATS = {
    "csv": Format("CSV, for a spreadsheet", "text/csv; charset=utf-8; header=present", as_csv),
    "jsonl": Format(
        "JSON Lines: the canonical text of each event",
        "application/jsonl",
        as_json_lines,
    ),
    "proofs.jsonl": Format(
        "JSON Lines with proofs: anybody can check them with the public keys",
        "application/jsonl",
        as_json_lines_with_proofs,
    ),
}


def extent(filters: AuditFilterForm) -> Extent:
    """Return what an export would contain now; counts at most AUDIT_EXPORT_ROWS + 1."""
    limit = settings.AUDIT_EXPORT_ROWS
    found = filters.apply(AuditLog.objects.all())[: limit + 1].count()
    return Extent(min(found, limit), found > limit)


def export(
    filters: AuditFilterForm, *, format_name: str, reason: str
) -> tuple[Extent, Iterator[str]]:
    """Record the export, and return its extent and its text.

    `filters` must be valid. Events from now on, like that of this export, are
    not in it. The rows are read while the text is sent.
    """
    newest = AuditLog.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    export_extent = extent(filters)
    with transaction.atomic():
        record(
            events.STAFF_EXPORTED,
            session_uuid=filters.session_uuid,
            format=format_name,
            rows=export_extent.rows,
            filters=filters.summary(),
            reason=reason,
        )
    rows = filters.apply(AuditLog.objects.filter(pk__lte=newest))
    return export_extent, _in_pieces(FORMATS[format_name].text(_latest(rows, export_extent.rows)))


def _in_pieces(lines: Iterator[str]) -> Iterator[str]:
    """Join lines into larger pieces, because the server sends each piece separately."""
    while piece := "".join(islice(lines, BATCH)):
        yield piece


def _latest(rows: QuerySet[AuditLog], limit: int) -> Iterator[AuditLog]:
    """Yield up to `limit` rows, newest first, in batches.

    Short queries instead of one cursor: outside a transaction, a cursor copies
    the whole result first, which exceeds the statement time-out.
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

"""Counts the dashboard's figures, hour by hour, so that no page counts anything.

Events are counted for the current hour and the hour before, repeatedly, so a
transaction that commits up to an hour after its hour has ended is counted. An
hour without a worker is counted as soon as one runs. Current values (live
sessions, bytes) are counted for the current hour only.

For each source, counting uses at most 1/20 of one connection's time, however
large the tables are: a slow count runs less often.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from audit_app.events import RATE_LIMIT_EXCEEDED, EventType, refusals
from audit_app.models import AuditLog
from backoffice_app.models import FigureName, HourlyFigure
from sessions_app import events as session_events
from sessions_app.models import UserSession
from uploads_app.models import QuarantinedObject, TrashStatus, UploadedFile, UploadStatus

HOUR = timedelta(hours=1)
# 30 calendar days of any time zone, as many before them, and a change to summer time.
KEPT = timedelta(days=61)
# An hour is counted again until this long after its end.
SETTLED_AFTER = HOUR
PAUSE_PER_TIME_COUNTED = 20
# Shorter than the schedule's minute, so that a backlog occupies at most one worker.
SECONDS = 40


@dataclass(frozen=True)
class Source:
    """Figures that one query counts; `count` gets the start of an hour and returns a value for each.

    `is_current` marks values that are known for the current hour only.
    """

    names: Sequence[FigureName]
    count: Callable[[datetime], Sequence[int]]
    is_current: bool = False


class CountTiming(NamedTuple):
    at: datetime
    took: timedelta


def hour_of(at: datetime) -> datetime:
    """Return the start of the UTC hour that contains a time."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def count_figures() -> int:
    """Count the due figures, newest hour first; return the number of figures written.

    After SECONDS the rest waits for the next call.
    """
    deadline = time.monotonic() + SECONDS
    this_hour = hour_of(timezone.now())
    known = _known()
    written = 0
    for hour in _hours(this_hour):
        if time.monotonic() > deadline:
            break
        due = [
            source
            for source in SOURCES
            if (hour == this_hour or not source.is_current)
            and _is_due(hour, known.get((hour, source.names[0])))
        ]
        written += _write([figure for source in due for figure in _counted(source, hour)])
    _delete_old(this_hour)
    return written


def _known() -> dict[tuple[datetime, str], CountTiming]:
    rows = HourlyFigure.objects.values_list("hour", "name", "counted_at", "took")
    return {(hour, name): CountTiming(at, took) for hour, name, at, took in rows}


def _hours(this_hour: datetime) -> Iterator[datetime]:
    """Yield the hours to count, newest first, back to the first audit event."""
    first = AuditLog.objects.order_by("occurred_at").values_list("occurred_at", flat=True).first()
    oldest = max(this_hour - KEPT, hour_of(first) if first else this_hour)
    yield this_hour
    for ago in range(1, (this_hour - oldest) // HOUR + 1):
        yield this_hour - ago * HOUR


def _is_due(hour: datetime, last: CountTiming | None) -> bool:
    if last is None:
        return True
    is_settled = last.at >= hour + HOUR + SETTLED_AFTER
    return not is_settled and timezone.now() - last.at >= PAUSE_PER_TIME_COUNTED * last.took


def _counted(source: Source, hour: datetime) -> list[HourlyFigure]:
    at, began = timezone.now(), time.monotonic()
    values = source.count(hour)
    took = timedelta(seconds=time.monotonic() - began)
    return [
        HourlyFigure(name=name, hour=hour, value=value, counted_at=at, took=took)
        for name, value in zip(source.names, values, strict=True)
    ]


def _write(figures: list[HourlyFigure]) -> int:
    HourlyFigure.objects.bulk_create(
        figures,
        update_conflicts=True,
        unique_fields=["hour", "name"],
        update_fields=["value", "counted_at", "took"],
    )
    return len(figures)


def _delete_old(this_hour: datetime) -> None:
    current = [name for source in SOURCES if source.is_current for name in source.names]
    HourlyFigure.objects.filter(
        Q(hour__lt=this_hour - KEPT) | Q(hour__lt=this_hour, name__in=current)
    ).delete()


def _started(hour: datetime) -> list[int]:
    created = UserSession.objects.filter(created_at__gte=hour, created_at__lt=hour + HOUR)
    return [created.count()]


def _expired(hour: datetime) -> list[int]:
    return [_happened(hour, session_events.EXPIRED).count()]


def _uploaded(hour: datetime) -> list[int]:
    created = UploadedFile.objects.filter(created_at__gte=hour, created_at__lt=hour + HOUR)
    return _files_and_bytes(created.filter(stored_at__isnull=False))


def _refused(hour: datetime) -> list[int]:
    return [_requests(hour, *refusals()), _requests(hour, RATE_LIMIT_EXCEEDED)]


def _requests(hour: datetime, *refusals: EventType) -> int:
    """Count refused requests: one for each row, plus its `repeated`."""
    rows = _happened(hour, *refusals).values_list("text", flat=True)
    return sum(1 + json.loads(text)["details"].get("repeated", 0) for text in rows.iterator())


def _happened(hour: datetime, *kinds: EventType) -> QuerySet[AuditLog]:
    names = [kind.name for kind in kinds]
    happened: QuerySet[AuditLog] = AuditLog.objects.order_by().filter(
        event_type__in=names, occurred_at__gte=hour, occurred_at__lt=hour + HOUR
    )
    return happened


def _active(_: datetime) -> list[int]:
    return [UserSession.objects.live().count()]


def _stored(_: datetime) -> list[int]:
    return _files_and_bytes(UploadedFile.objects.filter(status=UploadStatus.STORED))


def _quarantined_files(_: datetime) -> list[int]:
    return _files_and_bytes(UploadedFile.objects.filter(status=UploadStatus.QUARANTINED))


def _trashed_objects(_: datetime) -> list[int]:
    trashed = QuarantinedObject.objects.filter(status=TrashStatus.QUARANTINED)
    return _files_and_bytes(trashed)


def _files_and_bytes(rows: QuerySet[UploadedFile] | QuerySet[QuarantinedObject]) -> list[int]:
    found = rows.order_by().aggregate(files=Count("*"), bytes=Sum("size"))
    return [found["files"], found["bytes"] or 0]


SOURCES = (
    Source([FigureName.STARTED], _started),
    Source([FigureName.EXPIRED], _expired),
    Source([FigureName.UPLOADS, FigureName.UPLOADED_BYTES], _uploaded),
    Source([FigureName.REFUSED, FigureName.LIMITED], _refused),
    Source([FigureName.ACTIVE], _active, is_current=True),
    Source([FigureName.STORED_FILES, FigureName.STORED_BYTES], _stored, is_current=True),
    Source(
        [FigureName.QUARANTINED_FILES, FigureName.QUARANTINED_BYTES],
        _quarantined_files,
        is_current=True,
    ),
    Source(
        [FigureName.TRASHED_OBJECTS, FigureName.TRASHED_BYTES], _trashed_objects, is_current=True
    ),
)

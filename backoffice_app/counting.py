"""Counts what the overview shows, hour by hour, so that no page has to.

What happened is counted for this hour and the one before, again and again:
whatever is committed late, up to an hour after its hour is over, ends up
counted. An hour that was missed, because no worker was there, is counted as
soon as one is. What there is (live sessions, bytes) is looked at now only.

However large the tables, counting keeps one connection busy a twentieth of the
time at most for each source: what took long is counted less often.
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
# Seven days by anybody's calendar, of which today is one, and what clocks are put forward.
KEPT = timedelta(days=8)
# Until so long after its end an hour is counted again.
SETTLED_AFTER = HOUR
PAUSE_PER_TIME_COUNTED = 20
# The schedule is a minute, so a long backlog keeps one worker busy at most.
SECONDS = 40


@dataclass(frozen=True)
class Source:
    """Figures that are counted together; `count` gets an hour's begin and returns a value for each.

    `lasting` is for what there is, not what happened: no hour but this one can be asked for it.
    """

    names: Sequence[FigureName]
    count: Callable[[datetime], Sequence[int]]
    lasting: bool = False


class CountTiming(NamedTuple):
    """When a figure was counted, and how long that took."""

    at: datetime
    took: timedelta


def hour_of(moment: datetime) -> datetime:
    """Return when the hour of a moment begins, by the clock of UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def count_figures() -> int:
    """Count what is due, the newest hour first; return how many figures were written.

    What time does not allow waits for the next call.
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
            if (hour == this_hour or not source.lasting)
            and _is_due(hour, known.get((hour, source.names[0])))
        ]
        written += _write([figure for source in due for figure in _counted(source, hour)])
    _forget(this_hour)
    return written


def _known() -> dict[tuple[datetime, str], CountTiming]:
    rows = HourlyFigure.objects.values_list("hour", "name", "counted_at", "took")
    return {(hour, name): CountTiming(at, took) for hour, name, at, took in rows}


def _hours(this_hour: datetime) -> Iterator[datetime]:
    """Yield each hour that is shown, newest first, back to when anything happened first."""
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


def _forget(this_hour: datetime) -> None:
    """Remove figures of hours that nobody is shown any more."""
    lasting = [name for source in SOURCES if source.lasting for name in source.names]
    HourlyFigure.objects.filter(
        Q(hour__lt=this_hour - KEPT) | Q(hour__lt=this_hour, name__in=lasting)
    ).delete()


def _started(hour: datetime) -> list[int]:
    begun = UserSession.objects.filter(created_at__gte=hour, created_at__lt=hour + HOUR)
    return [begun.count()]


def _expired(hour: datetime) -> list[int]:
    return [_happened(hour, session_events.EXPIRED).count()]


def _uploaded(hour: datetime) -> list[int]:
    begun = UploadedFile.objects.filter(created_at__gte=hour, created_at__lt=hour + HOUR)
    return _files_and_bytes(begun.filter(stored_at__isnull=False))


def _refused(hour: datetime) -> list[int]:
    return [_requests(hour, *refusals()), _requests(hour, RATE_LIMIT_EXCEEDED)]


def _requests(hour: datetime, *refusals: EventType) -> int:
    """Count refused requests: a row stands for itself and for those it says were `repeated`."""
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
    Source([FigureName.ACTIVE], _active, lasting=True),
    Source([FigureName.STORED_FILES, FigureName.STORED_BYTES], _stored, lasting=True),
    Source(
        [FigureName.QUARANTINED_FILES, FigureName.QUARANTINED_BYTES],
        _quarantined_files,
        lasting=True,
    ),
    Source([FigureName.TRASHED_OBJECTS, FigureName.TRASHED_BYTES], _trashed_objects, lasting=True),
)

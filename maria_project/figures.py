"""Metrics read from the database: sessions, files, the queue, the worker, the cleanup, the hosts.

They describe the whole deployment, so only one of its hosts reports them: sums over all
hosts stay true. It is the first by name of those whose web processes run.

Counting a million rows is slow, so values are cached for 15 seconds or twenty
times as long as reading took, whichever is longer. Metrics therefore use one
database connection, for at most a twentieth of the time.
"""

import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.db.models import Count, Min, QuerySet, Sum
from django_q.models import OrmQ
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from backoffice_app.hosts.differences import Fact, differences, reports
from backoffice_app.models import ProcessKind, ProcessReport
from common.worker import last_heartbeat
from sessions_app import models as sessions
from uploads_app import models as uploads
from uploads_app.cleanup import alerts

MEMORY_SECONDS = 15
MEMORY_PER_SECOND_READ = 20


class DatabaseFigures(Collector):
    """Reads the figures on a scrape, if the cached values are too old."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._known: list[Metric] = []
        self._good_until = 0.0

    def collect(self) -> list[Metric]:
        """Return the figures; the cached ones while another thread reads new ones."""
        if time.monotonic() >= self._good_until and self._reading.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._reading.release()
        return self._known

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering makes no query."""
        return []

    def forget(self) -> None:
        """Drop the cached values."""
        self._good_until = 0.0

    def _read(self) -> None:
        started = time.monotonic()
        try:
            self._known = [_up(True), *_figures()]
        except (DatabaseError, InterfaceError, OSError):
            self._known = [_up(False)]
        ended = time.monotonic()
        self._good_until = ended + max(MEMORY_SECONDS, MEMORY_PER_SECOND_READ * (ended - started))


FIGURES = CollectorRegistry()
DATABASE_FIGURES = DatabaseFigures()
FIGURES.register(DATABASE_FIGURES)


def _up(is_up: bool) -> Metric:
    return _gauge(
        "maria_database_up",
        "1 if the database answers. If 0, the figures from it are missing.",
        is_up,
    )


def _figures() -> Iterator[Metric]:
    found = reports()
    if not _is_first(found):
        return
    yield from _sessions()
    yield from _uploads()
    yield from _inspection()
    yield from _worker()
    yield from _cleanup()
    yield from _hosts(found)


def _is_first(found: Sequence[ProcessReport]) -> bool:
    own = socket.gethostname()
    return min([own, *(one.host for one in found if one.kind == ProcessKind.WEB)]) == own


def _sessions() -> Iterator[Metric]:
    # Count(*), so that the index on the status is enough.
    found = dict(_by_status(sessions.UserSession.objects.all()).values_list("status", "rows"))
    known = {status: found.get(status, 0) for status in sessions.SessionStatus.values}
    yield _gauges("maria_sessions", "Sessions by state.", "status", known)
    yield _gauge(
        "maria_sessions_live",
        "Active sessions that have not expired.",
        sessions.UserSession.objects.live().count(),
    )
    yield CounterMetricFamily(
        "maria_sessions_started", "Sessions created since the start.", sum(found.values())
    )


def _uploads() -> Iterator[Metric]:
    rows = _by_status(uploads.UploadedFile.objects.all()).annotate(bytes=Sum("size"))
    found = {
        status: (count, size) for status, count, size in rows.values_list("status", "rows", "bytes")
    }
    numbers = {status: found.get(status, (0, 0))[0] for status in uploads.UploadStatus.values}
    counted = {str(status): found.get(status, (0, 0))[1] for status in uploads.IN_QUOTA}
    yield _gauges("maria_uploads", "Files by state.", "status", numbers)
    yield _gauges(
        "maria_upload_bytes",
        "Bytes of files that count against a quota, by state.",
        "status",
        counted,
    )


def _by_status(rows: QuerySet[Any]) -> QuerySet[Any, dict[str, Any]]:
    counted: QuerySet[Any, dict[str, Any]] = (
        rows.order_by().values("status").annotate(rows=Count("*"))
    )
    return counted


def _inspection() -> Iterator[Metric]:
    waiting = uploads.UploadedFile.objects.uninspected().aggregate(
        count=Count("*"), oldest=Min("stored_at")
    )
    yield _gauge(
        "maria_inspection_waiting", "Files that wait for their inspection.", waiting["count"]
    )
    if waiting["oldest"]:
        yield _gauge(
            "maria_inspection_oldest_timestamp_seconds",
            "When the file that has waited longest for its inspection was stored.",
            waiting["oldest"].timestamp(),
        )


def _worker() -> Iterator[Metric]:
    yield _gauge(
        "maria_queue_tasks",
        "Tasks in the queue, including running tasks.",
        OrmQ.objects.count(),
    )
    if last := last_heartbeat():
        yield _gauge(
            "maria_worker_heartbeat_timestamp_seconds",
            "When a worker last finished its heartbeat.",
            last.timestamp(),
        )


def _cleanup() -> Iterator[Metric]:
    last = alerts.last_run()
    yield _gauge(
        "maria_cleanup_alarm",
        "1 if the cleanup has an alert: its last run stopped or is too old.",
        alerts.alert_after(last) is not None,
    )
    if last is None:
        return
    yield _gauge(
        "maria_cleanup_start_timestamp_seconds",
        "When the last finished cleanup run started.",
        last.started_at.timestamp(),
    )
    yield _gauge(
        "maria_cleanup_completed",
        "1 if this run completed, 0 if it stopped.",
        last.status == uploads.RunStatus.COMPLETED,
    )
    yield _gauge("maria_cleanup_removed", "Files that this run deleted.", last.removed)
    yield _gauge("maria_cleanup_errors", "Keys that failed in this run.", last.errors)
    yield _gauges("maria_cleanup_findings", "Findings of this run, by kind.", "kind", last.findings)


def _hosts(found: Sequence[ProcessReport]) -> Iterator[Metric]:
    yield _gauges("maria_processes", "Processes that run now, by kind.", "kind", _by_kind(found))
    differing: dict[str, set[str]] = {fact.value: set() for fact in Fact}
    for difference in differences(found):
        differing[difference.fact] |= difference.hosts
    yield _gauges(
        "maria_hosts_differing",
        "Hosts that differ from most others, by what differs.",
        "what",
        {what: len(hosts) for what, hosts in differing.items()},
    )
    offsets = {report.host: report.clock_offset.total_seconds() for report in found}
    yield _gauges(
        "maria_host_clock_offset_seconds",
        "Seconds that the clock of a host is ahead of the database's.",
        "host",
        offsets,
    )


def _by_kind(found: Sequence[ProcessReport]) -> dict[str, float]:
    return {kind: sum(report.kind == kind for report in found) for kind in ProcessKind.values}


def _gauge(name: str, sentence: str, value: float) -> Metric:
    return GaugeMetricFamily(name, sentence, value)


def _gauges(name: str, sentence: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, sentence, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family

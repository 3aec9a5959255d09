"""Metrics of this host and process: version, health checks, connections, disk space, limits."""

import shutil
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from maria_project.health.watch import WATCH
from maria_project.version import VERSION


class HostFigures(Collector):
    def collect(self) -> Iterator[Metric]:
        """Yield the figures. None of them waits for a service."""
        yield InfoMetricFamily("maria_build", "The version.", {"version": VERSION})
        yield from _parts()
        yield from _pool()
        yield from _spool()

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering checks nothing."""
        return []


def _parts() -> Iterator[Metric]:
    up = _by_part("maria_part_up", "1 if the last health check of a part found nothing wrong.")
    checked = _by_part("maria_part_check_timestamp_seconds", "When a part was last checked.")
    took = _by_part("maria_part_check_duration_seconds", "How long that check took.")
    for name, check in WATCH.last().items():
        up.add_metric([name], not check.problem)
        checked.add_metric([name], check.at.timestamp())
        took.add_metric([name], check.seconds)
    yield from (up, checked, took)


def _by_part(name: str, sentence: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, sentence, labels=["part"])


def _pool() -> Iterator[Metric]:
    """Yield what the connection pool counts. Only a web process on PostgreSQL has one."""
    pool: Any = getattr(connection, "pool", None)
    counted = pool.get_stats() if pool else {}
    connections = GaugeMetricFamily(
        "maria_database_pool_connections",
        "Connections of this process to PostgreSQL, by state.",
        labels=["state"],
    )
    if counted:
        idle = counted["pool_available"]
        connections.add_metric(["idle"], idle)
        connections.add_metric(["used"], counted["pool_size"] - idle)
    yield connections
    yield GaugeMetricFamily(
        "maria_database_pool_max_connections",
        "The most connections that this process may have.",
        counted.get("pool_max"),
    )
    yield GaugeMetricFamily(
        "maria_database_pool_waiting_requests",
        "Threads of this process that wait for a connection.",
        counted.get("requests_waiting"),
    )


def _spool() -> Iterator[Metric]:
    free = shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR).free
    yield GaugeMetricFamily(
        "maria_spool_free_bytes", "Free bytes on the disk for arriving files.", free
    )
    yield GaugeMetricFamily(
        "maria_spool_max_bytes",
        "The most bytes of arriving files on this host.",
        settings.SPOOL_MAX_BYTES,
    )


HOST = CollectorRegistry()
HOST.register(HostFigures())

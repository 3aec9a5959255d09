"""Metrics of this host: its version, and what its health checks found."""

import shutil
from collections.abc import Iterator

from django.conf import settings
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from maria_project.health.watch import WATCH
from maria_project.version import VERSION


class HostFigures(Collector):
    def collect(self) -> Iterator[Metric]:
        """Yield the figures. None of them waits for a service."""
        yield InfoMetricFamily("maria_build", "The version.", {"version": VERSION})
        parts = GaugeMetricFamily(
            "maria_part_up",
            "1 if the last health check of a part found nothing wrong.",
            labels=["part"],
        )
        for name, problem in WATCH.last().items():
            parts.add_metric([name], not problem)
        yield parts
        free = shutil.disk_usage(settings.FILE_UPLOAD_TEMP_DIR).free
        yield GaugeMetricFamily(
            "maria_spool_free_bytes", "Free bytes on the disk for arriving files.", free
        )

    def describe(self) -> list[Metric]:
        """Return nothing, so that registering checks nothing."""
        return []


HOST = CollectorRegistry()
HOST.register(HostFigures())

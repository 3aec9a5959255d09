"""`GET /metrics` for Prometheus.

Requests are counted by route, not by path, so that clients cannot create new
series. Several web processes count in files, and each reports the sums of all
(maria_project/web.py).
"""

import os
from functools import cache
from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from common import context
from maria_project.figures import FIGURES
from maria_project.host_figures import HOST
from sessions_app import limits

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REFUSED = "Send METRICS_TOKEN as a bearer token, or connect from METRICS_NETWORKS.\n"

# Prometheus does not read *_created series from this format.
disable_created_metrics()  # type: ignore[no-untyped-call]
REQUESTS = Counter(
    "maria_requests", "Requests, by route, method and status.", ["route", "method", "status"]
)  # fmt: skip
SECONDS = Histogram(
    "maria_request_seconds",
    "Seconds until the response was ready, by route and method.",
    ["route", "method"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
REFUSALS = Counter("maria_rate_limited", "Requests refused by a rate limit, by policy.", ["policy"])


class Labels(NamedTuple):
    """Labels of a request. Clients cannot add values, so the number of series is limited."""

    route: str
    method: str


def describe(request: HttpRequest) -> Labels:
    """Return the route (`none` for an unknown address) and the method (`other` for a rare one)."""
    match = request.resolver_match
    return Labels(
        route=match.view_name if match else "none",
        method=request.method if request.method in METHODS else "other",
    )


def count(request: HttpRequest, response: HttpResponse, labels: Labels, seconds: float) -> None:
    requests, times = _series(labels, response.status_code)
    requests.inc()
    times.observe(seconds)
    if policy := limits.exceeded(request):
        REFUSALS.labels(policy).inc()


@cache
def _series(labels: Labels, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(*labels, status), SECONDS.labels(*labels)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Return all metrics in the Prometheus text format; 403 without access.

    Without the database, its figures are missing and `maria_database_up` is 0.
    """
    if not (_has_token(request) or _is_near(request)):
        return HttpResponseForbidden(_REFUSED, content_type="text/plain; charset=utf-8")
    return HttpResponse(
        generate_latest(_counted()) + generate_latest(HOST) + generate_latest(FIGURES),
        content_type=CONTENT_TYPE_PLAIN_0_0_4,
    )


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return (
        bool(settings.METRICS_TOKEN)
        and scheme.lower() == "bearer"
        and constant_time_compare(token.strip(), settings.METRICS_TOKEN)
    )


def _is_near(request: HttpRequest) -> bool:
    """Return whether the client, not just a proxy before it, is in METRICS_NETWORKS."""
    address = context.current().address
    if context.is_forwarded(request) and (
        not settings.TRUSTED_PROXIES or address is None or address.is_loopback
    ):
        return False
    return context.is_within(address, settings.METRICS_NETWORKS)


def _counted() -> CollectorRegistry:
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry

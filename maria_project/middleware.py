"""Middleware: request log, metrics, CORS, early refusals, 503 without a database, time zones."""

import logging
import time
from collections.abc import Callable
from typing import Any

from corsheaders.middleware import CorsMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.request import split_domain_port
from django.utils import timezone

from backoffice_app import zones
from common import context
from common.context import REFUSED
from maria_project import database, metrics
from maria_project.exceptions import BodyTooLarge, CharsetNotSupported, ServerBusy
from maria_project.health.watch import WATCH
from maria_project.problems import database_unavailable, refuse
from maria_project.settings.environment import LOOPBACK_HOSTS
from uploads_app.exceptions import LengthRequired

# Health and metrics must answer even if the database does not.
HEALTH_PREFIX = "/health/"
ADMIN_PREFIX = "/admin/"
METRICS_PATH = "/metrics"

# Limits the length of log lines.
SHOWN_PATH = 300
_EARLY = {error.default_code: error for error in (BodyTooLarge, CharsetNotSupported, ServerBusy)}

logger = logging.getLogger("maria_project.requests")


def note_requests(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Count each request and write one log line, without the query string.

    A download is logged when its first byte is ready, not when its last byte is sent.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        seconds = time.perf_counter() - started
        labels = metrics.describe(request)
        metrics.count(request, response, labels, seconds)
        path = request.path[:SHOWN_PATH]
        logger.info(
            "%s %s %s",
            labels.method,
            path,
            response.status_code,
            extra={
                "method": labels.method,
                "route": labels.route,
                "path": path,
                "status": response.status_code,
                "milliseconds": round(seconds * 1000, 1),
            },
        )
        return response

    return middleware


class CrossOrigin(CorsMiddleware):
    """CORS for requests that have an Origin. `Vary` is set for all of the API by `StandardHeaders`."""

    def __call__(self, request: HttpRequest) -> Any:
        if "HTTP_ORIGIN" in request.META or request.method == "OPTIONS":
            return super().__call__(request)
        return self.get_response(request)


def database_guard(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 at once after the database has failed, or while its tables are not this version's.

    So no requests queue up, and a proxy can ask another host.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        # Asking may take seconds: a check whether the database is back is made by a request.
        if request.path.startswith((HEALTH_PREFIX, METRICS_PATH)):
            return get_response(request)
        if database.is_available() and not WATCH.awaits_migrations:
            return get_response(request)
        return database_unavailable(request)

    return middleware


def refuse_early(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer an error that was found before Django had the request.

    A chunked body that the server has not put together is one: Django would read it as empty.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if code := request.META.get(REFUSED):
            return refuse(_EARLY[code])
        if "HTTP_TRANSFER_ENCODING" in request.META:
            return refuse(LengthRequired)
        return get_response(request)

    return middleware


def known_host(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 400 to an unknown host, also for static files.

    In production, programs on this machine check health and read metrics at `localhost`: they
    reach the server without the proxy, so they do not send the public host.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.PRODUCTION and _is_local_check(request):
            request.META["HTTP_HOST"] = settings.PUBLIC_HOST
        request.get_host()  # raises DisallowedHost
        return get_response(request)

    return middleware


def _is_local_check(request: HttpRequest) -> bool:
    if not (request.path == METRICS_PATH or request.path.startswith(HEALTH_PREFIX)):
        return False
    host, _ = split_domain_port(request.META.get("HTTP_HOST", ""))
    address = context.current().address
    return (
        host.strip("[]") in LOOPBACK_HOSTS
        and address is not None
        and address.is_loopback
        and not context.is_forwarded(request)
    )


def staff_zone(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Use the time zone of the staff member's browser in the admin, or TIME_ZONE by default.

    A streamed response is generated after this middleware and must set the zone itself.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(ADMIN_PREFIX):
            return get_response(request)
        with timezone.override(zones.zone_of(request)):
            return get_response(request)

    return middleware

"""Sign-in lockout: django-axes counts failures under keys that we compute.

Its table contains no typed name, password or browser, only the number of
failures under a keyed hash of the name and under the address (IPv6: the /64).
After too many of either, attempts are refused without checking the password. A
browser that has signed in before is counted separately, so that strangers
cannot lock out the owner of a name.
"""

import secrets
from datetime import datetime
from math import ceil
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.handlers.proxy import AxesProxyHandler
from axes.models import AccessAttempt
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.core import signing
from django.core.cache import cache
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers

from audit_app import events
from audit_app.services import record
from common import context
from common.keyed_hash import keyed_hash, keyed_hashes

KNOWN_SECONDS = 90 * 24 * 60 * 60
_SALT = "backoffice_app.accounts.throttle"
ACCOUNT, ADDRESS = "account", "address"


class Throttle(AxesDatabaseHandler):  # type: ignore[misc]  # axes has no types
    """django-axes' database handler, which stores only the counts."""

    def user_login_failed(
        self, sender: Any, credentials: Any, request: Any = None, **kwargs: Any
    ) -> None:
        request.axes_user_agent = request.axes_http_accept = ""
        super().user_login_failed(sender, credentials, request, **kwargs)

    def user_logged_in(self, sender: Any, request: Any, user: Any, **kwargs: Any) -> None:
        """Delete the failures of this name, not of the address, which colleagues may share."""
        super().user_logged_in(sender, request, user, **kwargs)
        name = counted_name(request, {"username": user.get_username()})
        AccessAttempt.objects.filter(username=name).delete()


@receiver(pre_save, sender=AccessAttempt)
def keep_nothing_typed(instance: Any, **_: Any) -> None:
    instance.get_data = instance.post_data = ""


def counted_name(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the identifier of an attempt: a hash of the name, and the id of a known browser."""
    name = (credentials or {}).get("username") or ""
    browser = _known_browser(request, name)
    return f"{_hashed(name)}:{browser}" if browser else _hashed(name)


def counted_address(request: HttpRequest) -> str | None:
    """Return the client's address, or the first of its /64 for IPv6; None if unknown."""
    return _first_of(context.current())


def lockout_parameters(request: HttpRequest, credentials: dict[str, Any] | None) -> list[str]:
    """Return the counters that can lock an attempt. A known browser is locked only by its own failures."""
    if ":" in counted_name(request, credentials):
        return ["username"]
    return ["username", "ip_address"]


def remember_browser(request: HttpRequest, response: HttpResponse) -> None:
    """Mark the browser with a cookie after a sign-in. The cookie gives no access."""
    name = request.user.get_username()
    browser = _known_browser(request, name) or secrets.token_urlsafe(12)
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE_NAME,
        signing.dumps([_hashed(name), browser], salt=_SALT),
        max_age=KNOWN_SECONDS,
        secure=settings.PRODUCTION,
        httponly=True,
        samesite="Strict",
    )


def locked_out_page(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Answer 429 with a page that says how long attempts are refused."""
    until = _locked_until(request, credentials)
    seconds = max(1, ceil((until - timezone.now()).total_seconds()))
    page = render(
        request,
        "backoffice/accounts/locked_out.html",
        {
            **admin.site.each_context(request),
            "title": "Too many failed sign-ins",
            "until": until,
            "minutes": ceil(seconds / 60),
        },
        status=429,
    )
    page["Retry-After"] = str(seconds)
    add_never_cache_headers(page)
    return page


@receiver(user_locked_out)
def record_lock(request: Any, username: str, ip_address: str | None, **_: Any) -> None:
    """Record the attempt that caused a lock. Refused attempts are not recorded."""
    if request.axes_failures_since_start is None:
        return
    by = ACCOUNT if _lock_end(AccessAttempt.objects.filter(username=username)) else ADDRESS
    alert_key = _alert_key(by, username if by == ACCOUNT else ip_address)
    if not cache.add(alert_key, True, settings.AXES_COOLOFF_TIME.total_seconds()):
        return  # a concurrent request caused it too
    account = _account(request.axes_credentials["username"]) if by == ACCOUNT else ""
    with transaction.atomic():
        record(events.STAFF_LOCKED_OUT, account=account, by=by)


def lift_lock(*, name: str = "", address: str = "") -> int:
    """Delete the failures of a name or of an address; return their number.

    Raises ValueError for an invalid address.
    """
    if name:
        hashed = _hashed(name)
        attempts = AccessAttempt.objects.filter(
            Q(username=hashed) | Q(username__startswith=f"{hashed}:")
        )
        account, by = _account(name), ACCOUNT
    else:
        counted = _first_of(context.RequestContext(address=context.parse_address(address)))
        if counted is None:
            raise ValueError(f"{address!r} is not an IP address")
        attempts, account, by = AccessAttempt.objects.filter(ip_address=counted), "", ADDRESS
    with transaction.atomic():
        rows = list(attempts.values_list("username", "ip_address", "failures_since_start"))
        attempts.delete()
        if rows:
            record(events.STAFF_LOCK_LIFTED, account=account, by=by)
    cache.delete_many([_alert_key(ACCOUNT, one) for one, _, _ in rows])
    cache.delete_many([_alert_key(ADDRESS, one) for _, one, _ in rows])
    return sum(failures for *_, failures in rows)


def _locked_until(request: HttpRequest, credentials: dict[str, Any] | None) -> datetime:
    counted = AxesProxyHandler.get_implementation().get_user_attempts(request, credentials)
    ends = [end for attempts in counted if (end := _lock_end(attempts))]
    return max(ends, default=timezone.now())


def _lock_end(attempts: "QuerySet[Any]") -> datetime | None:
    """Return when enough failures expire that fewer than the limit remain; None if not locked."""
    cool_off, limit = settings.AXES_COOLOFF_TIME, settings.AXES_FAILURE_LIMIT
    counted = attempts.filter(attempt_time__gt=timezone.now() - cool_off).order_by("-attempt_time")
    failures = 0
    for failed, at in counted.values_list("failures_since_start", "attempt_time")[:limit]:
        failures += failed
        if failures >= limit:
            end: datetime = at + cool_off
            return end
    return None


def _known_browser(request: HttpRequest, name: str) -> str:
    """Return the id of a browser that has signed in with this name; empty for any other."""
    try:
        hashed, browser = signing.loads(
            request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, ""),
            salt=_SALT,
            max_age=KNOWN_SECONDS,
        )
    except signing.BadSignature:
        return ""
    return str(browser) if hashed in keyed_hashes(_SALT, name.casefold()) else ""


def _hashed(name: str) -> str:
    return keyed_hash(_SALT, name.casefold())


def _first_of(request_context: context.RequestContext) -> str | None:
    return request_context.client.partition("/")[0] if request_context.address else None


def _alert_key(by: str, identifier: str | None) -> str:
    return f"locked-out:{by}:{identifier}"


def _account(name: str) -> str:
    """Return `staff:<id>` for the name of an account; empty for an unknown name."""
    user = User.objects.filter(username=name).first()
    return f"{context.STAFF}{user.pk}" if user else ""

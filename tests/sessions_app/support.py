"""Helpers for session tests: a second tab, a session near its limit, every way to end one."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now
from django.urls import reverse

from common.groups import SUPPORT
from sessions_app.models import UserSession
from tests.helpers import Visitor, age_session

# The fields of every answer about a session, and the limits that it returns.
FIELDS = {"uuid", "support_code", "status", "created_at", "expires_at", "limits"}
LIMITS = {
    "max_files": 3,
    "max_file_bytes": 5 * 1024 * 1024,
    "max_total_bytes": 15 * 1024 * 1024,
    "types": ["pdf"],
    "direct_upload": False,
}


def clone(visitor: Visitor) -> Visitor:
    """Return a second client with the same token and UUID, like another tab."""
    tab = type(visitor)()
    tab.token = visitor.token
    tab.uuid = visitor.uuid
    return tab


def move_to_expiry(session: UserSession, seconds: int) -> None:
    """Move a session's times back so that it expires in `seconds` by the database's clock."""
    left = UserSession.objects.annotate(left=F("expires_at") - Now()).values_list("left", flat=True)
    age_session(session, left.get(pk=session.pk) - timedelta(seconds=seconds))


def expire(visitor: Visitor) -> None:
    """Let a visitor's session expire without recording it."""
    move_to_expiry(visitor.row, -1)


def revoke(visitor: Visitor, make_staff: Callable[..., Any], reason: str = "abuse") -> None:
    """Revoke a visitor's session in the admin."""
    page = reverse("admin:sessions_app_usersession_revoke", args=[visitor.uuid])
    response = make_staff(SUPPORT).post(page, {"reason": reason})
    assert response.status_code == 302, response.content


def end_as(how: str, visitor: Visitor, make_staff: Callable[..., Any]) -> None:
    """End a visitor's session as `expired`, `reset`, `ended` or `revoked`."""
    match how:
        case "expired":
            expire(visitor)
        case "reset":
            assert visitor.reset().status_code == 201
        case "ended":
            assert visitor.end().status_code == 204
        case "revoked":
            revoke(visitor, make_staff)


def rival(act: Callable[[], Any]) -> AbstractContextManager[None]:
    """Run `act` once, just before the next transaction inside the block begins.

    By then a request has read its session, so that `act` wins the race. Inside
    the test's own transaction Django starts the request's with a SAVEPOINT.
    """
    acted: list[bool] = []

    def first(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SAVEPOINT") and not acted:
            acted.append(True)
            act()
        return execute(sql, params, many, context)

    return connection.execute_wrapper(first)

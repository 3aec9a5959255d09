"""If the database fails at any place of a request, the answer is 503 and nothing else changes."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg
import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import IntegrityError, InterfaceError, OperationalError, connection

from sessions_app.models import UserSession
from tests.helpers import Visitor, code, events, uploaded
from tests.maria_project.server import test_database
from tests.security.routes import Route, named, state, visitor_calls

SECRET = "canary: the server at 10.0.0.1 is gone"


def fails_with(error: type[Exception], statement: str = "") -> Callable[..., Any]:
    """Return a wrapper that makes statements with that beginning fail."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(statement):
            raise error(SECRET)
        return execute(sql, params, many, context)

    return wrapper


def assert_unavailable(response: Any) -> None:
    assert (response.status_code, code(response)) == (503, "database_unavailable")
    assert response["Retry-After"] == "5"
    assert response["Cache-Control"] == "no-store"
    assert "canary" not in response.content.decode()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.parametrize(("route", "method"), visitor_calls(), ids=named)
def test_t81_failing_database_is_503_at_every_endpoint(
    visitor: Visitor, route: Route, method: str, error: type[Exception]
) -> None:
    upload = uploaded(visitor)
    visitor.raise_request_exception = False
    before, logged = state(), len(events())

    with connection.execute_wrapper(fails_with(error)):
        response = visitor.generic(method, route.url(upload), **visitor.named)

    assert response.status_code == 503
    if method != "HEAD":
        assert_unavailable(response)
    assert (state(), len(events())) == (before, logged)


@pytest.mark.both
def test_t81_refusal_that_cannot_be_recorded_is_503(db: None) -> None:
    visitor = Visitor(raise_request_exception=False)

    with connection.execute_wrapper(fails_with(OperationalError, 'INSERT INTO "audit_app')):
        assert_unavailable(visitor.current())

    assert events() == []


@pytest.mark.both
def test_t81_database_failure_in_middleware_is_503(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise OperationalError(SECRET)

    monkeypatch.setattr(SessionMiddleware, "process_request", fails)
    visitor = Visitor(raise_request_exception=False)

    assert_unavailable(visitor.current())
    page = visitor.get("/admin/")
    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert page["Content-Type"].startswith("text/html")
    assert b"database does not answer" in page.content
    assert b"canary" not in page.content


@pytest.mark.both
def test_t81_admin_page_without_a_database_is_503(make_staff: Any) -> None:
    staff = make_staff(is_superuser=True)
    staff.raise_request_exception = False

    with connection.execute_wrapper(fails_with(OperationalError)):
        page = staff.get("/admin/sessions_app/usersession/")

    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert staff.get("/admin/sessions_app/usersession/").status_code == 200


@pytest.mark.both
def test_t81_integrity_error_is_500(db: None) -> None:
    visitor = Visitor(raise_request_exception=False)

    with connection.execute_wrapper(fails_with(IntegrityError)):
        assert code(visitor.start()) == "internal_error"


@contextmanager
def sessions_locked() -> Iterator[None]:
    """Lock what creating a session needs from another connection, with a short lock timeout."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 1")
        path = connection.settings_dict["NAME"]
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = 1")
        with psycopg.connect(test_database()["DATABASE_URL"]) as other_server:
            other_server.execute(f"LOCK TABLE {UserSession._meta.db_table}")
            yield


@pytest.mark.both
def test_t81_locked_database_is_503_for_that_request_only(committed: None) -> None:
    visitor = Visitor(raise_request_exception=False)

    with sessions_locked():
        assert_unavailable(visitor.start())
        assert visitor.get("/api/v1/audit-logs/").status_code == 401

    assert visitor.start().status_code == 201
    assert events() == ["session.created"]
    connection.close()  # also its short timeout

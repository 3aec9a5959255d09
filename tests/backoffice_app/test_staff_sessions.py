"""Staff sessions: idle limit, absolute limit, and sign-out everywhere."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit_app.models import AuditLog
from tests.helpers import events

NAME, PASSWORD, NEW = "anna.smith", "correct horse battery", "a staple for the horse"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
COOKIE = "maria_staff"

# The database makes no difference.


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Any:
    """A frozen clock that the test moves."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def anna(db: None) -> User:
    """A staff account with a password."""
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def signed_in(password: str = PASSWORD) -> Client:
    client = Client()
    answer = client.post("/admin/login/", {"username": NAME, "password": password})
    assert answer.status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/admin/password_change/").status_code == 200


def test_an_hour_without_a_request_ends_the_session(anna: User, clock: Any) -> None:
    client = signed_in()
    clock.shift(HOUR - MINUTE)
    assert is_in(client)
    clock.shift(HOUR - MINUTE)
    assert is_in(client)
    clock.shift(HOUR + MINUTE)
    assert not is_in(client)


def test_twelve_hours_end_an_active_session(anna: User, clock: Any) -> None:
    client = signed_in()
    for _ in range(12 * 2 - 1):
        clock.shift(HOUR / 2)
        assert is_in(client)
    clock.shift(HOUR / 2 - MINUTE)
    assert is_in(client)
    clock.shift(MINUTE)
    assert not is_in(client)


def test_limits_are_settings(anna: User, clock: Any, settings: Any) -> None:
    settings.STAFF_IDLE_LIMIT, settings.STAFF_SESSION_LIMIT = 5 * MINUTE, 8 * MINUTE
    client = signed_in()
    clock.shift(4 * MINUTE)
    assert is_in(client)
    clock.shift(4 * MINUTE)
    assert not is_in(client)
    client = signed_in()
    clock.shift(6 * MINUTE)
    assert not is_in(client)


def test_a_shortened_limit_applies_to_current_sessions(
    anna: User, clock: Any, settings: Any
) -> None:
    client = signed_in()
    settings.STAFF_SESSION_LIMIT = 2 * MINUTE
    clock.shift(3 * MINUTE)
    client.get("/admin/")
    assert not is_in(client)


def test_frequent_requests_do_not_write_each_time(anna: User, clock: Any) -> None:
    client = signed_in()
    for seconds, writes in ((1, False), (58, False), (1, True), (59, False)):
        clock.shift(timedelta(seconds=seconds))
        with CaptureQueriesContext(connection) as seen:
            assert is_in(client)
        said = " ".join(query["sql"] for query in seen.captured_queries)
        assert ("UPDATE" in said) is writes, seconds


def test_visitor_requests_in_the_same_browser_do_not_extend_it(anna: User, clock: Any) -> None:
    client = signed_in()
    clock.shift(HOUR - MINUTE)
    client.get("/about/")
    client.get("/api/v1/sessions/current/")
    clock.shift(2 * MINUTE)
    assert not is_in(client)


def test_signing_out_ends_all_own_sessions_and_no_others(anna: User, make_staff: Any) -> None:
    here, there, colleague = signed_in(), signed_in(), make_staff()
    before = len(events())
    assert here.post("/admin/logout/").status_code == 200
    assert not is_in(here)
    assert not is_in(there)
    assert is_in(colleague)
    assert events()[before:] == ["staff.signed_out"]
    assert AuditLog.objects.latest("id").actor == f"staff:{anna.pk}"


def test_a_new_password_ends_the_other_sessions(anna: User) -> None:
    here, there = signed_in(), signed_in()
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert here.post("/admin/password_change/", fields).status_code == 302
    assert is_in(here)
    assert not is_in(there)
    assert is_in(signed_in(NEW))


def test_a_new_session_has_a_new_key_and_expired_rows_are_deleted(anna: User, clock: Any) -> None:
    first = signed_in()
    clock.shift(2 * HOUR)
    second = signed_in()
    assert second.cookies[COOKIE].value != first.cookies[COOKIE].value
    assert Session.objects.count() == 1


@pytest.mark.both
def test_t92_a_copy_of_the_table_of_sessions_opens_none(anna: User) -> None:
    """On both databases: only PostgreSQL refuses a key that is longer than its column."""
    here, there = signed_in(), signed_in()
    stored = set(Session.objects.values_list("session_key", flat=True))
    assert len(stored) == 2
    thief = Client()
    for key in stored:
        thief.cookies[COOKIE] = key
        assert not is_in(thief)
    for client in (here, there):
        assert client.cookies[COOKIE].value not in stored
        assert is_in(client)
    fields = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
    assert here.post("/admin/password_change/", fields).status_code == 302
    assert (is_in(here), is_in(there)) == (True, False)
    assert stored.isdisjoint(Session.objects.values_list("session_key", flat=True))
    assert here.post("/admin/logout/").status_code == 200
    assert not Session.objects.exists()

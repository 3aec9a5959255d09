"""Sign-ins and failed attempts are in the audit log, without typed values."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from audit_app.models import AuditLog, AuditPersonal
from tests.helpers import Visitor, events

NAME, PASSWORD = "anna.smith", "correct horse battery"


@pytest.fixture(autouse=True)
def staff_user(db: None, settings: Any) -> User:
    """A staff account with a fast password hash."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def sign_in(name: str = NAME, password: str = PASSWORD, **extra: Any) -> Any:
    return Client(**extra).post(
        "/admin/login/?next=/admin/", {"username": name, "password": password}
    )


@pytest.mark.both
def test_a_sign_in_is_an_event_with_the_account_as_actor(staff_user: User) -> None:
    answer = sign_in(REMOTE_ADDR="203.0.113.77")
    assert answer.status_code == 302
    log = AuditLog.objects.get()
    assert (log.event_type, log.outcome) == ("staff.signed_in", "success")
    assert (log.actor, log.network) == (f"staff:{staff_user.pk}", "203.0.113.0/24")
    assert log.request_id == answer["X-Request-ID"]
    cookie = answer.cookies["maria_staff"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_a_failed_sign_in_is_an_event_without_typed_values() -> None:
    assert sign_in(password="hunter2 secret").status_code == 200
    log = AuditLog.objects.get()
    assert (log.event_type, log.outcome, log.actor) == ("staff.sign_in_failed", "denied", "visitor")
    rows = f"{log.text} {list(AuditPersonal.objects.values_list())}"
    assert NAME not in rows
    assert "hunter2" not in rows


def test_t71_failed_sign_ins_are_one_row_a_minute_for_each_client() -> None:
    for _ in range(5):
        sign_in(password="wrong")
    sign_in(password="wrong", REMOTE_ADDR="203.0.113.99")
    assert events() == ["staff.sign_in_failed"] * 2


@pytest.mark.parametrize("field", ["is_staff", "is_active"])
def test_an_account_that_may_not_enter_is_refused(staff_user: User, field: str) -> None:
    User.objects.filter(pk=staff_user.pk).update(**{field: False})
    assert sign_in().status_code == 200
    assert "staff.signed_in" not in events()


def test_the_sign_in_page_does_not_redirect_to_other_sites() -> None:
    client = Client()
    answer = client.post(
        "/admin/login/?next=https://evil.example/", {"username": NAME, "password": PASSWORD}
    )
    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_after_a_sign_out_the_admin_is_closed() -> None:
    client = Client()
    client.post("/admin/login/", {"username": NAME, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    client.post("/admin/logout/")
    assert client.get("/admin/").status_code == 302


def test_a_visitors_session_gives_no_staff_access(visitor: Visitor) -> None:
    assert visitor.get("/admin/").status_code == 302

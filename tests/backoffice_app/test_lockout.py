"""Sign-in lockout: it stops password guessing, spares other staff, and stores nothing typed."""

import io
import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from axes.models import AccessAttempt
from django.conf import settings as product_settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audit_app.models import AuditLog
from tests.backoffice_app.pages import inline_code, shown_text
from tests.helpers import SOAK, events

NAME, OTHER, PASSWORD = "anna.smith", "bert.jones", "correct horse battery"
LIMIT = 4
COOL_OFF = product_settings.AXES_COOLOFF_TIME
HOME = "203.0.113.7"


@pytest.fixture(autouse=True)
def staff(db: None, settings: Any, cache_in_step: None) -> list[User]:
    """Two accounts with a fast password hash."""
    settings.AXES_FAILURE_LIMIT = LIMIT
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return [
        User.objects.create_user(name, password=PASSWORD, is_staff=True) for name in (NAME, OTHER)
    ]


def sign_in(
    name: str = NAME,
    password: str = PASSWORD,
    address: str = HOME,
    client: Client | None = None,
    **extra: Any,
) -> Any:
    return (client or Client()).post(
        "/admin/login/?next=/admin/",
        {"username": name, "password": password},
        REMOTE_ADDR=address,
        **extra,
    )


def guess(times: int, name: str = NAME, address: str = "2001:db8:0:{}::1") -> list[int]:
    """Try wrong passwords, by default each from another /64."""
    client = Client()
    return [
        sign_in(name, f"guess {number}", address.format(f"{number:x}"), client).status_code
        for number in range(times)
    ]


@pytest.mark.both
def test_t71_a_locked_name_is_locked_from_1000_addresses_and_other_names_are_not(
    staff: list[User], settings: Any
) -> None:
    tries = 1000 if SOAK else 40
    assert guess(tries) == [200] * (LIMIT - 1) + [429] * (tries - LIMIT + 1)
    # The right password is not checked either, from any address.
    assert sign_in().status_code == 429
    assert sign_in(address="2001:db8:0:1::1").status_code == 429
    assert sign_in(OTHER).status_code == 302
    (log,) = AuditLog.objects.filter(event_type="staff.locked_out")
    assert (log.outcome, log.actor) == ("denied", "visitor")
    assert log.details == {"account": f"staff:{staff[0].pk}", "by": "account"}
    assert "staff.signed_in" not in [
        log.event_type for log in AuditLog.objects.filter(actor=f"staff:{staff[0].pk}")
    ]


@pytest.mark.parametrize("address", ["198.51.100.{}", "2001:db8:1:2::{}"])
def test_t71_an_address_that_tries_many_names_is_locked(address: str) -> None:
    client = Client()
    answers = [
        sign_in(
            f"name-{n}", "wrong", address.format(1 if "." in address else n), client
        ).status_code
        for n in range(LIMIT + 2)
    ]
    assert answers == [200] * (LIMIT - 1) + [429] * 3
    # IPv6: the whole /64 counts as one address.
    assert sign_in(address=address.format(1 if "." in address else "ffff")).status_code == 429
    assert sign_in(address=HOME).status_code == 302
    (log,) = AuditLog.objects.filter(event_type="staff.locked_out")
    assert log.details == {"account": "", "by": "address"}


def test_t71_a_lock_expires_and_attempts_do_not_extend_it() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        guess(LIMIT)
        clock.shift(COOL_OFF - timedelta(seconds=1))
        assert sign_in().status_code == 429
        clock.shift(timedelta(seconds=1, milliseconds=1))
        assert sign_in().status_code == 302
    assert events().count("staff.locked_out") == 1


def test_t71_strangers_cannot_lock_out_a_browser_that_has_signed_in_before() -> None:
    known = Client()
    assert sign_in(client=known).status_code == 302
    known.post("/admin/logout/")
    guess(LIMIT)
    assert sign_in().status_code == 429
    assert sign_in(client=known).status_code == 302
    # It is counted separately, with the same limit.
    known.post("/admin/logout/")
    wrong = [sign_in(password="wrong", client=known).status_code for _ in range(LIMIT)]
    assert wrong == [200] * (LIMIT - 1) + [429]
    assert sign_in(client=known).status_code == 429


def test_t71_the_known_browser_cookie_gives_no_access_and_fits_one_name() -> None:
    known = Client()
    cookie = sign_in(client=known).cookies["maria_staff_known"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (
        True, "Strict", "/",
    )  # fmt: skip
    assert NAME not in cookie.value
    stranger = Client()
    stranger.cookies["maria_staff_known"] = cookie.value
    assert stranger.get("/admin/").status_code == 302
    guess(LIMIT, OTHER)
    assert sign_in(OTHER, client=stranger).status_code == 429
    stranger.cookies["maria_staff_known"] = cookie.value[:-1] + "x"
    guess(LIMIT, NAME)
    assert sign_in(client=stranger).status_code == 429


def test_t71_own_sign_ins_do_not_delete_failures_of_a_colleagues_name() -> None:
    for _ in range(LIMIT - 1):
        sign_in(password="wrong")
        assert sign_in(OTHER).status_code == 302
    assert sign_in(password="wrong").status_code == 429


def test_t71_the_page_says_what_to_do_and_when() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        guess(LIMIT)
        clock.shift(timedelta(minutes=5))
        answer = sign_in()
    assert answer.status_code == 429
    assert answer["Retry-After"] == str(10 * 60)
    assert "no-store" in answer["Cache-Control"]
    html = answer.content.decode()
    assert "Try again in 10 minutes" in shown_text(html)
    assert "can lift the lock" in shown_text(html)
    assert inline_code(html) == []
    assert NAME not in html


def test_t71_no_name_password_or_browser_is_stored_in_clear() -> None:
    secret = "hunter2 secret"
    for name in (NAME, secret):
        sign_in(name, secret, "2001:db8::aaaa:1", HTTP_USER_AGENT="Browser 9", HTTP_ACCEPT="text/x")
    rows = list(AccessAttempt.objects.values())
    assert len(rows) == 2
    for row in rows:
        assert re.fullmatch("[0-9a-f]{64}", row["username"])
        assert row["ip_address"] == "2001:db8::"
        kept = {row[n] for n in ("user_agent", "http_accept", "get_data", "post_data")}
        assert kept == {""}
    guess(LIMIT, secret)
    logs = list(AuditLog.objects.values_list("text", flat=True))
    assert not [text for text in logs if "hunter2" in text]
    lock = AuditLog.objects.get(event_type="staff.locked_out")
    assert lock.details == {"account": "", "by": "account"}


def lift(**options: str) -> str:
    out = io.StringIO()
    call_command("lift_lock", stdout=out, **options)
    return out.getvalue()


def test_t71_an_operator_lifts_the_lock_of_a_name(staff: list[User]) -> None:
    known = Client()
    sign_in(client=known)
    for _ in range(LIMIT):
        sign_in(password="wrong", client=known)
    guess(LIMIT)
    assert f"{2 * LIMIT} failed sign-ins were deleted" in lift(name=NAME)
    log = AuditLog.objects.get(event_type="staff.lock_lifted")
    assert log.actor.startswith("operator:")
    assert log.details == {"account": f"staff:{staff[0].pk}", "by": "account"}
    assert sign_in().status_code == 302
    assert sign_in(client=known).status_code == 302
    # The next lock is recorded again.
    guess(LIMIT)
    assert events().count("staff.locked_out") == 3


def test_t71_an_operator_lifts_the_lock_of_an_address() -> None:
    for number in range(LIMIT):
        sign_in(f"name-{number}", "wrong", "2001:db8:1:2::1")
    assert sign_in(address="2001:db8:1:2::9").status_code == 429
    lift(address="2001:db8:1:2:3::4")
    assert sign_in(address="2001:db8:1:2::9").status_code == 302
    assert events().count("staff.lock_lifted") == 1


def test_t71_without_a_lock_nothing_is_lifted_or_recorded() -> None:
    assert "no failed sign-ins" in lift(name="nobody")
    with pytest.raises(CommandError, match="is not an IP address"):
        lift(address="here")
    assert "staff.lock_lifted" not in events()

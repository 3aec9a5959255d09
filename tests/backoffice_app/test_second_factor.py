"""The second factor: set-up, sign-in, recovery codes and removal."""

import re
import time
from base64 import b32encode
from datetime import timedelta
from importlib import import_module
from typing import Any
from xml.etree import ElementTree

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from audit_app.models import AuditLog
from backoffice_app.accounts.models import AppDevice
from tests.backoffice_app.pages import inline_code, page_of, shown_text
from tests.helpers import code as problem_code
from tests.helpers import events

NAME, PASSWORD = "anna.smith", "correct horse battery"
PAGE = "/admin/second-factor/"
STEP = timedelta(seconds=30)


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Any:
    """A frozen clock: a code is valid until the test moves it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def anna(db: None) -> User:
    """A staff account with only a password."""
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def sign_in(client: Client, code: str = "") -> Any:
    return client.post(
        "/admin/login/?next=/admin/", {"username": NAME, "password": PASSWORD, "code": code}
    )


def app_code(user: User) -> str:
    """Return the current code of a user's app."""
    device = AppDevice.objects.get(user=user)
    totp = TOTP(device.bin_key, drift=0)
    totp.time = time.time()
    return f"{totp.token():06d}"


def wrong_code(user: User) -> str:
    return f"{(int(app_code(user)) + 1) % 1_000_000:06d}"


def submit(client: Client, do: str, code: str = "", password: str = PASSWORD) -> Any:
    values = {"do": do, "code": code, "password": password}
    return client.post(PAGE, {name: value for name, value in values.items() if value})


def codes_in(answer: Any) -> list[str]:
    return re.findall(r"<code>([a-z2-7]{4}-[a-z2-7]{4})</code>", answer.content.decode())


def set_up(user: User, clock: Any) -> tuple[Client, list[str]]:
    """Sign in and set up the factor; return the client and the recovery codes."""
    client = Client()
    assert sign_in(client).status_code == 302
    submit(client, "begin")
    codes = codes_in(submit(client, "confirm", app_code(user)))
    clock.shift(STEP)
    return client, codes


def changes_reported() -> list[str]:
    rows = AuditLog.objects.filter(event_type="staff.account_changed").order_by("id")
    return [str(row.details["change"]) for row in rows]


@pytest.mark.both
def test_setting_up_shows_a_secret_and_then_ten_recovery_codes_once(anna: User) -> None:
    client, other = Client(), Client()
    for one in (client, other):
        sign_in(one)
    begin = client.get(PAGE)
    assert "Set up" in shown_text(begin.content.decode())
    assert client.get(f"{PAGE}qr.svg").status_code == 404
    assert submit(client, "begin").status_code == 302
    secret = b32encode(AppDevice.objects.get().bin_key).decode()
    assert AppDevice.objects.get().bin_key.hex() not in AppDevice.objects.get().key
    html = client.get(PAGE).content.decode()
    assert secret in shown_text(html).replace(" ", "")
    assert inline_code(html) == []
    image = client.get(f"{PAGE}qr.svg")
    assert image["Content-Type"] == "image/svg+xml"
    assert "no-store" in image["Cache-Control"]
    assert ElementTree.fromstring(image.content).tag.endswith("svg")
    assert "style" not in image.content.decode()
    # No code is needed before the set-up is confirmed.
    assert sign_in(Client()).status_code == 302
    answer = submit(client, "confirm", app_code(anna))
    codes = codes_in(answer)
    assert len(set(codes)) == 10
    assert "no-store" in answer["Cache-Control"]
    html = client.get(PAGE).content.decode()
    assert "10 recovery codes are left" in shown_text(html)
    assert secret not in html
    assert codes_in(client.get(PAGE)) == []
    assert client.get(f"{PAGE}qr.svg").status_code == 404
    # Earlier sessions have ended, and the codes are stored hashed.
    assert other.get("/admin/").status_code == 302
    kept = set(StaticToken.objects.values_list("token", flat=True))
    assert kept.isdisjoint(code.replace("-", "") for code in codes)
    log = AuditLog.objects.get(event_type="staff.account_changed")
    assert log.actor == f"staff:{anna.pk}"
    assert log.details["account"] == f"staff:{anna.pk}"
    assert log.details["change"] == "second_factor_set_up"
    assert secret not in log.text


@pytest.mark.both
def test_t92_a_copy_of_the_database_computes_no_code(anna: User, clock: Any) -> None:
    """Also for secrets that a version before stored in clear: `manage.py migrate` masks them."""
    migration = import_module("backoffice_app.accounts.migrations.0001_initial")
    secret = bytes(range(20))
    TOTPDevice.objects.create(user=anna, key=secret.hex(), confirmed=True)
    migration.mask_secrets(apps, None)
    device = AppDevice.objects.get()
    assert secret.hex() not in device.key
    assert device.bin_key == secret
    assert sign_in(Client(), app_code(anna)).status_code == 302
    with override_settings(SECRET_KEY="another"):
        assert AppDevice.objects.get().bin_key != secret
    migration.unmask_secrets(apps, None)
    assert TOTPDevice.objects.get().bin_key == secret


def test_t96_setting_up_requires_the_password(anna: User) -> None:
    """Who has stolen a session could otherwise lock the owner out."""
    client = Client()
    sign_in(client)
    before = events()
    for password in ("", "wrong"):
        answer = submit(client, "begin", password=password)
        assert answer.status_code == 200
    assert "This password is wrong" in shown_text(answer.content.decode())
    assert not AppDevice.objects.exists()
    assert events()[len(before) :] == ["staff.sign_in_failed"]
    assert submit(client, "begin").status_code == 302
    # Another session neither sees the secret nor confirms it.
    thief = Client()
    sign_in(thief)
    secret = b32encode(AppDevice.objects.get().bin_key).decode()
    assert secret not in shown_text(thief.get(PAGE).content.decode()).replace(" ", "")
    assert thief.get(f"{PAGE}qr.svg").status_code == 404
    submit(thief, "confirm", app_code(anna))
    assert not AppDevice.objects.get().confirmed
    assert codes_in(submit(client, "confirm", app_code(anna)))


def test_a_wrong_code_sets_nothing_up(anna: User) -> None:
    client = Client()
    sign_in(client)
    submit(client, "begin")
    answer = submit(client, "confirm", wrong_code(anna))
    assert "This code is wrong" in shown_text(answer.content.decode())
    assert not AppDevice.objects.get().confirmed
    assert changes_reported() == []


def test_t71_the_password_alone_is_not_enough(anna: User, clock: Any) -> None:
    set_up(anna, clock)
    before = events()
    client = Client()
    for code in ("", wrong_code(anna), "abcd-efgh"):
        answer = sign_in(client, code)
        assert answer.status_code == 200
        assert "The user name, password or code is wrong" in shown_text(answer.content.decode())
        assert client.get("/admin/").status_code == 302
    assert events()[len(before) :] == ["staff.sign_in_failed"]
    clock.shift(STEP)
    assert sign_in(client, app_code(anna)).status_code == 302
    assert client.get("/admin/").status_code == 200


def test_t71_wrong_codes_count_like_wrong_passwords(anna: User, clock: Any) -> None:
    set_up(anna, clock)
    client = Client()
    answers = [sign_in(client, wrong_code(anna)).status_code for _ in range(12)]
    assert answers == [200] * 9 + [429] * 3
    # A valid code is refused, too.
    assert sign_in(Client(), app_code(anna)).status_code == 429


def test_t71_a_code_works_once(anna: User, clock: Any) -> None:
    set_up(anna, clock)
    code = app_code(anna)
    assert sign_in(Client(), code).status_code == 302
    assert sign_in(Client(), code).status_code == 200


def test_t71_after_wrong_codes_a_right_one_must_wait(anna: User, clock: Any) -> None:
    client, _ = set_up(anna, clock)
    for _ in range(4):
        submit(client, "remove", wrong_code(anna))
    submit(client, "remove", app_code(anna))
    assert AppDevice.objects.filter(confirmed=True).exists()
    clock.shift(timedelta(minutes=2))
    assert submit(client, "remove", app_code(anna)).status_code == 302
    assert not AppDevice.objects.exists()


def test_a_recovery_code_signs_in_once_in_any_spelling(anna: User, clock: Any) -> None:
    _, codes = set_up(anna, clock)
    client = Client()
    assert sign_in(client, f" {codes[0].upper().replace('-', ' ')} ").status_code == 302
    assert "9 recovery codes are left" in shown_text(client.get(PAGE).content.decode())
    assert sign_in(Client(), codes[0]).status_code == 200
    assert changes_reported() == ["second_factor_set_up", "recovery_code_used"]


def test_new_recovery_codes_replace_the_old_ones(anna: User, clock: Any) -> None:
    client, old = set_up(anna, clock)
    assert codes_in(submit(client, "renew", wrong_code(anna))) == []
    clock.shift(STEP)
    new = codes_in(submit(client, "renew", app_code(anna)))
    assert len(new) == 10
    assert sign_in(Client(), old[0]).status_code == 200
    clock.shift(STEP)
    assert sign_in(Client(), new[0]).status_code == 302


def test_removing_the_factor_requires_a_valid_code(anna: User, clock: Any) -> None:
    client, _ = set_up(anna, clock)
    submit(client, "remove", wrong_code(anna))
    submit(client, "remove")
    assert submit(client, "begin").status_code == 200
    assert AppDevice.objects.filter(confirmed=True).count() == 1
    clock.shift(STEP)
    assert submit(client, "remove", app_code(anna)).status_code == 302
    assert changes_reported() == ["second_factor_set_up", "second_factor_removed"]
    assert not StaticToken.objects.exists()
    assert client.get("/admin/").status_code == 200
    assert sign_in(Client()).status_code == 302


def test_a_superuser_can_remove_a_colleagues_factor(
    anna: User, clock: Any, make_staff: Any
) -> None:
    theirs, _ = set_up(anna, clock)
    boss = make_staff(is_superuser=True)
    page = page_of(anna, "reset_second_factor")
    assert page in boss.get(page_of(anna)).content.decode()
    assert make_staff("Support").post(page, {"reason": "x"}).status_code == 403
    assert boss.post(page, {}).status_code == 200
    assert AppDevice.objects.exists()
    assert boss.post(page, {"why": "The phone is lost"}).status_code == 302
    assert not AppDevice.objects.exists()
    assert theirs.get("/admin/").status_code == 302
    assert sign_in(Client()).status_code == 302
    log = AuditLog.objects.filter(event_type="staff.account_changed").latest("id")
    assert log.actor == f"staff:{boss.user.pk}"
    assert (log.details["account"], log.details["change"], log.details["reason"]) == (
        f"staff:{anna.pk}", "second_factor_removed", "The phone is lost",
    )  # fmt: skip
    assert page not in boss.get(page_of(anna)).content.decode()


def test_t71_a_superuser_needs_a_code_to_remove_the_own_factor(anna: User, clock: Any) -> None:
    User.objects.update(is_superuser=True)
    client, _ = set_up(anna, clock)
    client.post(page_of(anna, "reset_second_factor"), {"why": "The phone is lost"})
    assert AppDevice.objects.exists()
    assert changes_reported() == ["second_factor_set_up"]


def test_when_required_staff_without_it_reach_only_its_page(
    anna: User, clock: Any, settings: Any, make_staff: Any
) -> None:
    settings.STAFF_SECOND_FACTOR = "required"
    client = make_staff("Auditor")
    for url in ("/admin/", "/admin/sessions_app/usersession/", "/admin/password_change/"):
        answer = client.get(url)
        assert (answer.status_code, answer["Location"]) == (302, PAGE), url
    refused = client.get("/api/v1/audit-logs/")
    assert (refused.status_code, problem_code(refused)) == (401, "not_authenticated")
    assert "All staff need" in shown_text(client.get(PAGE).content.decode())
    client.user.set_password(PASSWORD)
    client.user.save()
    client.force_login(client.user)
    submit(client, "begin")
    submit(client, "confirm", app_code(client.user))
    assert client.get("/admin/").status_code == 200
    assert client.get("/api/v1/audit-logs/").status_code == 200
    # After its removal the pages are closed again.
    clock.shift(STEP)
    submit(client, "remove", app_code(client.user))
    assert client.get("/admin/")["Location"] == PAGE
    assert make_staff().post("/admin/logout/").status_code == 200


def test_when_required_visitors_and_anonymous_users_are_unaffected(db: None, settings: Any) -> None:
    settings.STAFF_SECOND_FACTOR = "required"
    client = Client()
    assert client.get("/about/").status_code == 200
    assert client.get("/admin/login/").status_code == 200
    assert client.get(PAGE).status_code == 302


def test_the_librarys_pages_with_secrets_are_removed(make_staff: Any) -> None:
    boss = make_staff(is_superuser=True)
    for path in ("otp_totp/totpdevice", "otp_static/staticdevice", "axes/accessattempt"):
        assert boss.get(f"/admin/{path}/").status_code == 404

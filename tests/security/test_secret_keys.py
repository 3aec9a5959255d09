"""What an old SECRET_KEY has signed is valid while that key is a fallback, and no longer."""

import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_otp.oath import TOTP
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage
from django_q.tasks import async_task

from backoffice_app.accounts.models import AppDevice
from sessions_app.services.recovery import issue_recovery_code
from tests.helpers import Visitor, started, uploaded
from tests.sessions_app.people import mail_server
from tests.sessions_app.service_support import service

NAME, PASSWORD = "anna.smith", "correct horse battery"
NEW = "new" * 20
# What was signed, and is verified later.
Check = Callable[[], bool]


@pytest.fixture
def clock(settings: Any) -> Iterator[Any]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with time_machine.travel(timezone.now(), tick=False) as clock:
        yield clock


@pytest.fixture
def change(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Return a function that changes SECRET_KEY, and keeps the old one as a fallback or not."""

    def change(keeps: bool) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY] if keeps else []
        settings.SECRET_KEY = NEW
        monkeypatch.setattr(Conf, "SECRET_KEY", NEW)  # django-q2 reads it at its start

    return change


def a_link(settings: Any) -> Check:
    visitor = started()
    upload = uploaded(visitor)
    url = visitor.post(f"/api/v1/uploads/{upload.pk}/link/", **visitor.named).json()["url"]
    return lambda: Client().get(url).status_code == 200


def an_assertion(settings: Any) -> Check:
    agent, assertion = service("sessions"), started().assertion()
    return lambda: bool(agent.introspect(assertion).json()["active"])


def a_recovery_code(settings: Any) -> Check:
    code = issue_recovery_code(session=started().row, reason="lost the phone")
    return lambda: Visitor().recover(code).status_code == 200


def an_email_code(settings: Any) -> Check:
    visitor = started()
    visitor.identify(email="anna@example.com")
    with mail_server(settings) as mailbox:
        assert visitor.send("sessions/current/email/", **visitor.named).status_code < 300
    code = mailbox.sent_code()
    return lambda: visitor.verify(code).status_code == 200


def a_staff_session(settings: Any) -> Check:
    client = Client()
    client.force_login(User.objects.create_user(NAME, is_staff=True))
    return lambda: client.get("/admin/").status_code == 200


def a_known_browser(settings: Any) -> Check:
    User.objects.create_user(NAME, password=PASSWORD, is_staff=True)
    known = Client()
    assert sign_in(known).status_code == 302
    known.post("/admin/logout/")

    def is_known() -> bool:
        for _ in range(10):
            sign_in(Client(), password="wrong")
        return bool(sign_in(known).status_code == 302)

    return is_known


def a_waiting_task(settings: Any) -> Check:
    async_task("maria_project.tasks.heartbeat")
    payload = OrmQ.objects.get().payload

    def is_taken() -> bool:
        try:
            return bool(SignedPackage.loads(payload)["func"])
        except BadSignature:
            return False

    return is_taken


def an_app_of_a_second_factor(settings: Any) -> Check:
    secret, _ = _second_factor()
    return lambda: sign_in(Client(), code=_app_code(secret)).status_code == 302


def a_code_of_a_second_factor(settings: Any) -> Check:
    _, codes = _second_factor()
    return lambda: sign_in(Client(), code=codes[0]).status_code == 302


def sign_in(client: Client, code: str = "", password: str = PASSWORD) -> Any:
    values = {"username": NAME, "password": password, "code": code}
    return client.post("/admin/login/?next=/admin/", values)


def _second_factor() -> tuple[bytes, list[str]]:
    """Set up a second factor; return the secret of its app, and the recovery codes."""
    User.objects.create_user(NAME, password=PASSWORD, is_staff=True)
    client = Client()
    sign_in(client)
    client.post("/admin/second-factor/", {"do": "begin", "password": PASSWORD})
    secret = AppDevice.objects.get().bin_key
    answer = client.post("/admin/second-factor/", {"do": "confirm", "code": _app_code(secret)})
    return secret, re.findall(r"<code>([a-z2-7]{4}-[a-z2-7]{4})</code>", answer.content.decode())


def _app_code(secret: bytes) -> str:
    totp = TOTP(secret, drift=0)
    totp.time = time.time()
    return f"{totp.token():06d}"


SIGNED = [
    a_link, an_assertion, a_recovery_code, an_email_code, a_staff_session, a_known_browser,
    a_waiting_task, an_app_of_a_second_factor, a_code_of_a_second_factor,
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("keeps", [True, False], ids=["fallback", "removed"])
@pytest.mark.parametrize("sign", SIGNED, ids=lambda sign: sign.__name__)
def test_what_an_old_key_signed_needs_it_as_a_fallback(
    settings: Any, clock: Any, change: Any, sign: Any, keeps: bool
) -> None:
    check = sign(settings)
    clock.shift(timedelta(seconds=30))  # a code of an app works once
    change(keeps)
    assert check() is keeps


@pytest.mark.both
def test_migrate_renews_second_factors_so_that_the_old_key_can_be_removed(
    db: None, settings: Any, clock: Any, change: Any
) -> None:
    secret, _ = _second_factor()
    change(True)
    call_command("migrate", verbosity=0)
    settings.SECRET_KEY_FALLBACKS = []
    clock.shift(timedelta(seconds=30))
    assert sign_in(Client(), code=_app_code(secret)).status_code == 302


def test_a_second_factor_of_a_lost_key_is_kept(db: None, settings: Any, change: Any) -> None:
    old = settings.SECRET_KEY
    secret, _ = _second_factor()
    change(False)
    call_command("migrate", verbosity=0)
    settings.SECRET_KEY_FALLBACKS = [old]
    assert AppDevice.objects.get().bin_key == secret

"""Staff see where they are signed in, and sign out elsewhere with their password."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client

from audit_app.models import AuditLog
from backoffice_app.accounts.models import AppDevice
from tests.backoffice_app.pages import inline_code, shown_text
from tests.cases import cases
from tests.helpers import events

NAME, PASSWORD = "anna.smith", "correct horse battery"
PAGE = "/admin/sign-ins/"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Gecko/20100101 Firefox/130.0"

pytestmark = pytest.mark.both


@pytest.fixture
def anna(db: None, settings: Any) -> User:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def signed_in(**extra: Any) -> Client:
    client = Client(**extra)
    answer = client.post("/admin/login/", {"username": NAME, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def keys_on(client: Client) -> list[str]:
    return re.findall(r'name="session" value="(\w+)"', client.get(PAGE).content.decode())


def is_in(client: Client) -> bool:
    return client.get("/admin/password_change/").status_code == 200


def test_t96_staff_see_where_they_are_signed_in_and_sign_out_there(
    anna: User, make_staff: Any
) -> None:
    here, colleague = signed_in(REMOTE_ADDR="203.0.113.7"), make_staff()
    stolen = signed_in(REMOTE_ADDR="198.51.100.9", HTTP_USER_AGENT=FIREFOX)
    third = signed_in()
    html = here.get(PAGE).content.decode()
    text = shown_text(html)
    assert "Firefox on Windows" in text
    assert "198.51.100.0/24" in text
    assert "198.51.100.9" not in text
    assert text.count("this browser") == 1
    assert inline_code(html) == []
    key = keys_on(here)[1]  # the last sign-in is first
    before = events()

    for password in ("", "wrong"):
        answer = here.post(PAGE, {"session": key, "password": password})
        assert answer.status_code == 200
    assert is_in(stolen)
    assert events()[len(before) :] == ["staff.sign_in_failed"]

    assert here.post(PAGE, {"session": key, "password": PASSWORD}).status_code == 302
    assert [is_in(one) for one in (here, stolen, third, colleague)] == [True, False, True, True]
    assert here.post(PAGE, {"session": key, "password": PASSWORD}).status_code == 302
    assert here.post(PAGE, {"session": "", "password": PASSWORD}).status_code == 302
    assert [is_in(one) for one in (here, stolen, third, colleague)] == [True, False, False, True]
    ended = AuditLog.objects.filter(event_type="staff.signed_out_elsewhere").order_by("id")
    assert [log.details for log in ended] == [{"sessions": 1}] * 2
    assert {log.actor for log in ended} == {f"staff:{anna.pk}"}


def test_t96_the_sessions_of_a_colleague_and_the_own_one_here_do_not_end(
    anna: User, make_staff: Any
) -> None:
    colleague = make_staff()
    theirs = Session.objects.get().pk
    here = signed_in()
    own = Session.objects.exclude(pk=theirs).get().pk
    assert keys_on(here) == []
    for key in (theirs, own, "x", "\x00"):
        assert here.post(PAGE, {"session": key, "password": PASSWORD}).status_code == 302
    assert is_in(here)
    assert is_in(colleague)
    assert "staff.signed_out_elsewhere" not in events()


@cases("page", ["/admin/second-factor/", PAGE, "/admin/password_change/"])
def test_t96_guesses_of_the_password_are_locked(anna: User, page: str) -> None:
    """On every page that asks for it: a stolen session could otherwise find it out."""
    client = signed_in()
    client.cookies.pop("maria_staff_known")
    new = {"new_password1": "a staple for the horse", "new_password2": "a staple for the horse"}
    wrong = {"do": "begin", "password": "wrong", "old_password": "wrong", **new}
    answers = [client.post(page, wrong).status_code for _ in range(11)]
    assert answers == [200] * 9 + [429] * 2
    right = {**wrong, "password": PASSWORD, "old_password": PASSWORD}
    assert client.post(page, right).status_code == 429
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)
    assert not AppDevice.objects.exists()
